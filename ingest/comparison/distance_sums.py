"""What distances between two checkpoints are made of: sums over sentences, in float64, that can be merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceSums:
    """Sums over `n` sentences; [layers, neurons] where nothing else is said.

    change: activation after minus before. absolute: its absolute value. euclidean [layers + 1]: the distance within
    each layer, and last over all layers. mean: of the activation before (no sum). squares: its squared deviations
    from that mean.
    """

    n: int
    change: _Array
    absolute: _Array
    euclidean: _Array
    mean: _Array
    squares: _Array

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> DistanceSums:
        """Return the sums over no sentence; shape: (layers, neurons)."""
        return cls(0, np.zeros(shape), np.zeros(shape), np.zeros(shape[0] + 1), np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, before: NDArray[np.float32], after: NDArray[np.float32]) -> DistanceSums:
        """Return the sums over sentences whose activations are given: [layers, sentences, neurons] each."""
        activations = before.astype(np.float64)
        change = after.astype(np.float64) - activations
        in_layer = (change**2).sum(2)  # [layers, sentences]
        mean = activations.mean(1)
        return cls(
            before.shape[1],
            change.sum(1),
            np.abs(change).sum(1),
            np.append(np.sqrt(in_layer).sum(1), np.sqrt(in_layer.sum(0)).sum()),
            mean,
            ((activations - mean[:, None]) ** 2).sum(1),
        )

    @property
    def manhattan(self) -> _Array:
        """Mean Manhattan distance within each layer [layers]; over all layers it is their sum."""
        found: _Array = self.absolute.sum(1) / self.n
        return found

    def merged(self, other: DistanceSums) -> DistanceSums:
        """Return the sums over the sentences of both (mean and squares after Chan et al. 1983)."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        apart = other.mean - self.mean
        return DistanceSums(
            n,
            self.change + other.change,
            self.absolute + other.absolute,
            self.euclidean + other.euclidean,
            self.mean + apart * (other.n / n),
            self.squares + other.squares + apart**2 * (self.n * other.n / n),
        )

    def table(self, counts: Mapping[str, int]) -> pa.Table:
        """Return one row with the sums as lists, and some counts beside them."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        lists = {name: [value.ravel()] for name, value in columns.items() if name != "n"}
        return pa.table({"n": [self.n], **lists, **{name: [count] for name, count in counts.items()}})

    @classmethod
    def from_table(cls, table: pa.Table, shape: tuple[int, int]) -> DistanceSums:
        """Return the sums that `table` made a row of."""
        lists = {field.name: table[field.name][0].values.to_numpy() for field in fields(cls) if field.name != "n"}
        shaped = {name: value if name == "euclidean" else value.reshape(shape) for name, value in lists.items()}
        return cls(n=table["n"][0].as_py(), **shaped)
