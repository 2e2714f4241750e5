"""The K sentences of highest (or lowest) activation of each neuron: exact, streaming, mergeable."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.activations.summaries.compiled import EMPTY, append, keep_largest

_ORDINAL = 2**32 - 1


class TopK:
    """The K highest (`pole` "top") or lowest ("bottom") activations of each neuron, with who had them.

    An activation and the sentence's ordinal become one 64-bit integer: the activation's bits, mapped so that
    integers order like floats, above the ordinal's complement. Integers are all different, so the order is total
    ("ties: lower ordinal first" included) and the K largest of a union are the same however it was split.

    Buffers have room for more than K: candidates (values not below the K-th at the last cut) are appended, and a
    full buffer is cut back to K; slots not in use are empty or hold what is not among the K. In a long stream few
    values are candidates, so the cost per value is that of one comparison.
    Memory: 8 bytes x neurons x (K + max(2048, K / 4)).
    """

    def __init__(self, n_neurons: int, k: int, pole: str, positions: bool = False) -> None:
        """Start empty. With `positions`, a token position travels with each entry."""
        self.k = k
        self.pole = pole
        capacity = k + max(2048, k // 4)
        self.keys = torch.full((n_neurons, capacity), EMPTY, dtype=torch.int64)
        self.positions = torch.zeros((n_neurons, capacity), dtype=torch.int16) if positions else None
        self.filled = torch.zeros(n_neurons, dtype=torch.int64)
        self.least = torch.full((n_neurons,), EMPTY >> 32, dtype=torch.int32)

    def update(self, values: Tensor, ordinals: Tensor, positions: Tensor | None = None) -> None:
        """Take in a chunk: values [neurons, sentences] float32, finite; ordinals [sentences] int64 below 2**32.

        positions [neurons, sentences] int16, where they are kept.
        """
        append(
            values.numpy().view(np.int32),
            ordinals.numpy(),
            None if positions is None else positions.numpy(),
            self.pole == "bottom",
            self.k,
            self.keys.numpy(),
            None if self.positions is None else self.positions.numpy(),
            self.filled.numpy(),
            self.least.numpy(),
        )

    def merge(self, other: TopK) -> None:
        """Take in all that another summary of the same neurons holds."""
        keys = torch.cat([self.keys, other.keys], dim=1)
        filled = torch.full_like(self.filled, keys.shape[1])
        slots = None
        if self.positions is not None and other.positions is not None:
            slots = torch.cat([self.positions, other.positions], dim=1)
        keep_largest(keys.numpy(), None if slots is None else slots.numpy(), filled.numpy(), self.least.numpy(), self.k)
        self.keys[:, : self.k], self.keys[:, self.k :] = keys[:, : self.k], EMPTY
        if self.positions is not None and slots is not None:
            self.positions[:, : self.k] = slots[:, : self.k]
        self.filled = (self.keys != EMPTY).sum(1)

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs: at most K slots a neuron."""
        self._cut()
        used = int(self.filled.max())
        state = {"keys": self.keys[:, :used], "filled": self.filled, "least": self.least}
        return state if self.positions is None else {**state, "positions": self.positions[:, :used]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue, from nothing, from `state()`."""
        self.filled, self.least = state["filled"], state["least"]
        self.keys[:, : state["keys"].shape[1]] = state["keys"]
        if self.positions is not None:
            self.positions[:, : state["positions"].shape[1]] = state["positions"]

    def result(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return activations, ordinals and token positions, each [neurons, min(K, sentences seen)], best first."""
        self._cut()
        n = min(self.k, int(self.filled.max()))
        worst_first = ~self.keys[:, : self.k].numpy()  # numpy sorts rows 3 times faster than torch
        if self.positions is None:
            return *decode(torch.from_numpy(~np.sort(worst_first))[:, :n], self.pole), None
        order = torch.from_numpy(worst_first.argsort())[:, :n]
        return *decode(self.keys.gather(1, order), self.pole), self.positions.gather(1, order)

    def _cut(self) -> None:
        """Keep the K largest keys of each neuron; a candidate must reach the least of them."""
        slots = None if self.positions is None else self.positions.numpy()
        keep_largest(self.keys.numpy(), slots, self.filled.numpy(), self.least.numpy(), self.k)


def decode(keys: Tensor, pole: str) -> tuple[Tensor, Tensor]:
    """Return the activations (float32) and ordinals (int64) of keys."""
    ordered = (keys >> 32).to(torch.int32)
    if pole == "bottom":
        ordered = ~ordered
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(torch.float32), _ORDINAL - (keys & _ORDINAL)
