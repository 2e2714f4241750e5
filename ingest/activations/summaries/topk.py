"""The K sentences of highest (or lowest) activation of each neuron: exact, streaming, mergeable."""

from __future__ import annotations

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.compiled import EMPTY, decode
from nwh.ingest.activations.summaries.loops import COMPILED, Loops


class TopK:
    """The K highest (`pole` "top") or lowest ("bottom") activations of each neuron, with who had them.

    An activation and the sentence's ordinal become one 64-bit integer: the activation's bits, mapped so that
    integers order like floats, above the ordinal's complement. Integers are all different, so the order is total
    ("ties: lower ordinal first" included) and the K largest of a union are the same however it was split.

    Buffers have room for more than K: candidates (values not below the K-th at the last cut) are appended, and a
    full buffer is cut back to K; slots not in use are empty or hold what is not among the K. In a long stream few
    values are candidates, so the cost per value is that of one comparison.
    Memory: 8 bytes x neurons x `slots(K)`.
    """

    def __init__(
        self,
        n_neurons: int,
        k: int,
        pole: str,
        positions: bool = False,
        loops: Loops = COMPILED,
        device: torch.device | str = "cpu",
    ) -> None:
        """Start empty on `device`. With `positions`, a token position travels with each entry."""
        self.k = k
        self.pole = pole
        self.loops = loops
        size = (n_neurons, slots(k))
        self.keys = torch.full(size, EMPTY, dtype=torch.int64, device=device)
        self.positions = torch.zeros(size, dtype=torch.int16, device=device) if positions else None
        self.filled = torch.zeros(n_neurons, dtype=torch.int64, device=device)
        self.least = torch.full((n_neurons,), EMPTY >> 32, dtype=torch.int32, device=device)

    def update(self, values: Tensor, ordinals: Tensor, positions: Tensor | None = None) -> None:
        """Take in a chunk: values [neurons, sentences] float32, finite; ordinals [sentences] int64 below 2**32.

        positions [neurons, sentences] int16, where they are kept.
        """
        lowest, state = self.pole == "bottom", (self.keys, self.positions, self.filled, self.least)
        self.loops.append(values, ordinals, positions, lowest, self.k, *state)

    def merge(self, other: TopK) -> None:
        """Take in all that another summary of the same neurons holds."""
        self.merge_state(other.state())

    def merge_state(self, other: dict[str, Tensor]) -> None:
        """Take in the `state()` of another summary of the same neurons."""
        self._cut()
        used, more = int(self.filled.max()), other["keys"].shape[1]
        keys = torch.cat([self.keys[:, :used], other["keys"]], dim=1)
        beside = None
        if self.positions is not None:
            beside = torch.cat([self.positions[:, :used], other["positions"]], dim=1)
        self.loops.keep_largest(keys, beside, torch.full_like(self.filled, used + more), self.least, self.k)
        kept = min(self.k, used + more)
        self.keys[:, :kept] = keys[:, :kept]
        if self.positions is not None and beside is not None:
            self.positions[:, :kept] = beside[:, :kept]
        self.filled.add_(other["filled"]).clamp_(max=kept)

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs: at most K slots a neuron."""
        self._cut()
        used = int(self.filled.max())
        state = {"keys": self.keys[:, :used], "filled": self.filled, "least": self.least}
        return state if self.positions is None else {**state, "positions": self.positions[:, :used]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue, from nothing, from `state()`."""
        self.filled.copy_(state["filled"])
        self.least.copy_(state["least"])
        self.keys[:, : state["keys"].shape[1]] = state["keys"]
        if self.positions is not None:
            self.positions[:, : state["positions"].shape[1]] = state["positions"]

    def result(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return activations, ordinals and token positions, each [neurons, min(K, sentences seen)], best first.

        In main memory.
        """
        self._cut()
        n = min(self.k, int(self.filled.max()))
        keys, beside = self.loops.ranked(self.keys[:, :n], None if self.positions is None else self.positions[:, :n])
        bits, ordinals = map(torch.from_numpy, decode(keys.cpu().numpy(), self.pole == "bottom"))
        return bits.view(torch.float32), ordinals, None if beside is None else beside.cpu()

    def _cut(self) -> None:
        """Keep the K largest keys of each neuron; a candidate must reach the least of them."""
        self.loops.keep_largest(self.keys, self.positions, self.filled, self.least, self.k)


def slots(k: int) -> int:
    """Return a neuron's room for keys."""
    return k + max(2048, k // 4)
