"""Moments of whole blocks of sentences, merged along one fixed tree: the same bits whoever merges, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.moments import Moments

LEVELS = 16
"""Blocks that wait at once in a stream of 65,536, at most; each adds a state of moments."""

_Node = tuple[int, int]  # level and number: the blocks from number * 2**level on, 2**level of them


class BlockMoments:
    """The moments of blocks that are numbered from 0: block 2i is merged with 2i + 1, pairs with pairs, and so on.

    Sums of floats depend on their order. Here it follows from the blocks' numbers alone, so a corpus gives the same
    moments in one stream as in shards of whole blocks, merged in any order. Of a stream about log2(blocks) wait.
    """

    def __init__(self) -> None:
        self._waiting: dict[_Node, Moments] = {}

    def add(self, block: int, moments: Moments) -> None:
        """Take in the moments of a block, which nobody else changes from now on."""
        self._add((0, block), moments)

    def merge(self, other: BlockMoments) -> None:
        """Take in the moments of other blocks, which nobody else changes from now on."""
        for node, moments in other._waiting.items():
            self._add(node, moments)

    def _add(self, node: _Node, moments: Moments) -> None:
        level, number = node
        beside = self._waiting.pop((level, number ^ 1), None)
        if beside is None:
            self._waiting[node] = moments
            return
        left, right = (moments, beside) if number % 2 == 0 else (beside, moments)
        left.merge(right)
        self._add((level + 1, number // 2), left)

    def add_to(self, total: Moments) -> None:
        """Merge all blocks into `total`, from the first on."""
        for level, number in sorted(self._waiting, key=lambda node: node[1] << node[0]):
            total.merge(self._waiting[level, number])

    def part(self, neurons: slice) -> BlockMoments:
        """Return the moments of some of the neurons, with the same memory."""
        made = BlockMoments()
        made._waiting = {node: moments.part(neurons) for node, moments in self._waiting.items()}
        return made

    @classmethod
    def beside(cls, parts: Sequence[BlockMoments]) -> BlockMoments:
        """Return the moments of the same blocks for the neurons of all parts, one part's after the other's."""
        made = cls()
        for node in parts[0]._waiting:
            made._waiting[node] = Moments.beside([part._waiting[node] for part in parts])
        return made

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        return {
            f"{level}-{number}-{name}": tensor
            for (level, number), moments in self._waiting.items()
            for name, tensor in moments.state().items()
        }

    def restore(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Continue from `state()` on a device."""
        found: dict[_Node, dict[str, Tensor]] = {}
        for title, tensor in state.items():
            level, number, name = title.split("-")
            found.setdefault((int(level), int(number)), {})[name] = tensor
        self._waiting = {}
        for node, of_node in found.items():
            self._waiting[node] = moments = Moments(len(of_node["mean"]), device=device)
            moments.restore(of_node)
