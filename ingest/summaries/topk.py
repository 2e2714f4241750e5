"""The K sentences of highest (or lowest) activation of each neuron: exact, streaming, mergeable."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ingest.summaries.compiled import append, keep_largest, serves

EMPTY = torch.iinfo(torch.int64).min
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

    def __init__(
        self, n_neurons: int, k: int, pole: str, device: torch.device | str = "cpu", positions: bool = False
    ) -> None:
        """Start empty. With `positions`, a token position travels with each entry."""
        self.k = k
        self.pole = pole
        capacity = k + max(2048, k // 4)
        self.keys = torch.full((n_neurons, capacity), EMPTY, dtype=torch.int64, device=device)
        self.positions = torch.zeros((n_neurons, capacity), dtype=torch.int16, device=device) if positions else None
        self.filled = torch.zeros(n_neurons, dtype=torch.int64, device=device)
        worst = -torch.inf if pole == "top" else torch.inf
        self.threshold = torch.full((n_neurons, 1), worst, device=device)

    def update(self, values: Tensor, ordinals: Tensor, positions: Tensor | None = None) -> None:
        """Take in a chunk: values [neurons, sentences] float32, finite; ordinals [sentences] int64 below 2**32."""
        step = self.keys.shape[1] - self.k
        for start in range(0, values.shape[1], step):
            part = slice(start, start + step)
            self._take(values[:, part], ordinals[part], None if positions is None else positions[:, part])

    def _take(self, values: Tensor, ordinals: Tensor, positions: Tensor | None) -> None:
        if serves(self.keys) and self.positions is None:
            self._take_compiled(values, ordinals)
            return
        used, n = int(self.filled.max()), values.shape[1]
        if used + n <= self.keys.shape[1] and bool(self.threshold.isinf().all()):  # all are candidates, and fit
            self.keys[:, used : used + n] = encode(values, ordinals, self.pole)
            if self.positions is not None and positions is not None:
                self.positions[:, used : used + n] = positions
            self.filled += n
            return
        candidate = values >= self.threshold if self.pole == "top" else values <= self.threshold
        counts = candidate.sum(1)
        if int((self.filled + counts).max()) > self.keys.shape[1]:
            self._cut()
            candidate &= values >= self.threshold if self.pole == "top" else values <= self.threshold
            counts = candidate.sum(1)
        neuron, sentence = candidate.nonzero(as_tuple=True)  # ordered by neuron
        before = counts.cumsum(0) - counts  # candidates of the neurons before this one
        slot = torch.arange(len(neuron), device=values.device) - (before - self.filled)[neuron]
        self.keys[neuron, slot] = encode(values[neuron, sentence], ordinals[sentence], self.pole)
        if self.positions is not None and positions is not None:
            self.positions[neuron, slot] = positions[neuron, sentence]
        self.filled += counts

    def _take_compiled(self, values: Tensor, ordinals: Tensor) -> None:
        none = torch.zeros((), dtype=torch.int64)
        least = (encode(self.threshold, none, self.pole)[:, 0] >> 32).int()
        append(
            values.numpy().view(np.int32),
            ordinals.numpy(),
            self.pole == "bottom",
            self.k,
            self.keys.numpy(),
            self.filled.numpy(),
            least.numpy(),
        )
        self.threshold = decode(least[:, None].long() << 32, self.pole)[0]

    def _cut(self) -> None:
        """Keep the K largest keys of each neuron; a candidate must reach the least of them."""
        if serves(self.keys) and self.positions is None:
            keep_largest(self.keys.numpy(), self.filled.numpy(), self.k)
            self._raise(self.keys[:, : self.k])
        else:
            self._replace(*self._largest(self.keys, self.positions, sorted=False))

    def merge(self, other: TopK) -> None:
        """Take in all that another summary of the same neurons holds."""
        keys = torch.cat([self.keys, other.keys], dim=1)
        both = self.positions is not None and other.positions is not None
        positions = torch.cat([self.positions, other.positions], dim=1) if both else None  # type: ignore[list-item]
        self._replace(*self._largest(keys, positions))

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs: at most K slots a neuron."""
        if int(self.filled.max()) > self.k:
            self._cut()
        used = int(self.filled.max())
        state = {"keys": self.keys[:, :used], "filled": self.filled, "threshold": self.threshold}
        return state if self.positions is None else {**state, "positions": self.positions[:, :used]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue, from nothing, from `state()`."""
        device = self.keys.device
        self.filled, self.threshold = state["filled"].to(device), state["threshold"].to(device)
        self.keys[:, : state["keys"].shape[1]] = state["keys"].to(device)
        if self.positions is not None:
            self.positions[:, : state["positions"].shape[1]] = state["positions"].to(device)

    def _largest(self, keys: Tensor, positions: Tensor | None, sorted: bool = True) -> tuple[Tensor, Tensor | None]:
        """Return the K largest keys with their positions; sorted, empty slots come last."""
        kept, at = keys.topk(self.k, dim=1, sorted=sorted)
        return kept, None if positions is None else positions.gather(1, at)

    def _replace(self, keys: Tensor, positions: Tensor | None) -> None:
        """Hold these K keys per neuron, empty ones last, and nothing else."""
        self.keys[:, : self.k] = keys
        self.keys[:, self.k :] = EMPTY
        if self.positions is not None and positions is not None:
            self.positions[:, : self.k] = positions
        self.filled = (keys != EMPTY).sum(1)
        self._raise(keys)

    def _raise(self, keys: Tensor) -> None:
        """Let candidates reach the least of a neuron's K keys, anything where it has fewer."""
        least = keys.amin(1, keepdim=True)
        worst = -torch.inf if self.pole == "top" else torch.inf
        self.threshold = torch.where(least == EMPTY, worst, decode(least, self.pole)[0])

    def result(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return activations, ordinals and token positions, each [neurons, min(K, sentences seen)], best first."""
        n = min(self.k, int(self.filled.max()))
        if serves(self.keys) and self.positions is None:
            keep_largest(self.keys.numpy(), self.filled.numpy(), self.k)
            keys = torch.from_numpy(~np.sort(~self.keys[:, : self.k].numpy()))[:, :n]  # numpy sorts rows 3 times faster
            return *decode(keys, self.pole), None
        keys, positions = self._largest(self.keys, self.positions)
        values, ordinals = decode(keys[:, :n], self.pole)
        return values, ordinals, None if positions is None else positions[:, :n]


def encode(values: Tensor, ordinals: Tensor, pole: str) -> Tensor:
    """Return int64 keys that order like (activation, then lower ordinal first); -0 counts as 0."""
    bits = (values + 0.0).view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    if pole == "bottom":
        ordered = ~ordered
    return (ordered.to(torch.int64) << 32) | (_ORDINAL - ordinals)


def decode(keys: Tensor, pole: str) -> tuple[Tensor, Tensor]:
    """Return the activations (float32) and ordinals (int64) of keys."""
    ordered = (keys >> 32).to(torch.int32)
    if pole == "bottom":
        ordered = ~ordered
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(torch.float32), _ORDINAL - (keys & _ORDINAL)
