"""Trees as arrays for mining: labels without the words, and who stands where in its tree."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.annotation.trees import parse_tree
from nwh.ingest.compiling import compiled


@dataclass(frozen=True)
class Forest:
    """S trees of N nodes in all, in preorder; tree s is `bounds[s]:bounds[s + 1]` of the arrays over nodes.

    `label` (N,) is an index into `labels`. `parent`, `first_child` and `next_sibling` (N,) are places in the
    same tree, from 0, or -1. A sentence without a tree has no nodes.
    """

    labels: list[str]
    label: NDArray[np.int32]
    bounds: NDArray[np.int64]
    parent: NDArray[np.int32]
    first_child: NDArray[np.int32]
    next_sibling: NDArray[np.int32]

    def __len__(self) -> int:
        """Return S."""
        return len(self.bounds) - 1

    @classmethod
    def of_preorder(
        cls, labels: list[str], label: NDArray[np.int32], depth: NDArray[np.int32], bounds: NDArray[np.int64]
    ) -> "Forest":
        """Return the trees given as label ids (N,) and depths (N,) in preorder with `bounds` (S + 1,)."""
        bounds = np.array(bounds, np.int64)
        return cls(labels, np.array(label, np.int32), bounds, *_links(np.array(depth, np.int32), bounds))


def encode_trees(trees: Iterable[str | None]) -> Forest:
    """Encode cleaned bracketed trees, one per sentence (None: no tree); SourceError if not one each."""
    ids: dict[str, int] = {}
    label: list[int] = []
    depth: list[int] = []
    bounds = [0]
    for bracketed in trees:
        if bracketed is not None:
            tree = parse_tree(bracketed)
            for text, level, is_word in zip(tree.text, tree.depth, tree.is_word, strict=True):
                if not is_word:
                    label.append(ids.setdefault(text, len(ids)))
                    depth.append(level)
        bounds.append(len(label))
    return Forest.of_preorder(list(ids), np.array(label), np.array(depth), np.array(bounds))


@compiled()
def _links(
    depth: NDArray[np.int32], bounds: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return (parent, first_child, next_sibling) of Forest."""
    parent = np.full(len(depth), -1, np.int32)
    first_child = np.full(len(depth), -1, np.int32)
    next_sibling = np.full(len(depth), -1, np.int32)
    newest = np.empty(0 if len(depth) == 0 else depth.max() + 1, np.int64)  # last node seen at each depth
    for s in range(len(bounds) - 1):
        for j in range(bounds[s], bounds[s + 1]):
            d = depth[j]
            if j > bounds[s]:
                parent[j] = newest[d - 1] - bounds[s]
                if depth[j - 1] == d - 1:
                    first_child[j - 1] = j - bounds[s]
                else:
                    next_sibling[newest[d]] = j - bounds[s]
            newest[d] = j
    return parent, first_child, next_sibling
