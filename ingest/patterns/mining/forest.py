"""Frequent subtrees: trees as arrays, of labels without the words and of who stands where in its tree.

A subtree keeps parent and child, and the order of siblings, which may have others between them (induced, ordered,
labelled); its support is the number of trees that have it. Mined by FREQT (Asai et al. 2002).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nwh.ingest.annotation.trees import parse_tree
from nwh.ingest.compiling import compiled
from nwh.ingest.patterns.mining.patterns import Count, Patterns, Rules
from nwh.ingest.patterns.mining.subtree_kernels import Nodes, count_patterns, gather, mine_set
from nwh.ingest.patterns.mining.supports import I32, I64, Rows


@dataclass(frozen=True)
class Forest:
    """S trees of N nodes in all, in preorder; tree s is `bounds[s]:bounds[s + 1]` of the arrays over nodes.

    `label` (N,) is an index into `labels`. `parent`, `first_child` and `next_sibling` (N,) are places in the
    same tree, from 0, or -1. A sentence without a tree has no nodes.
    """

    labels: list[str]
    label: I32
    bounds: I64
    parent: I32
    first_child: I32
    next_sibling: I32

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @classmethod
    def of_preorder(cls, labels: list[str], label: I32, depth: I32, bounds: I64) -> "Forest":
        """Return the trees given as label ids (N,) and depths (N,) in preorder with `bounds` (S + 1,)."""
        bounds = np.array(bounds, np.int64)
        return cls(labels, np.array(label, np.int32), bounds, *_links(np.array(depth, np.int32), bounds))

    def mine(self, members: I64, weight: I64, least: tuple[int, int], rules: Rules) -> Rows:
        """Return the subtrees of a set, as codes that `bracketed` reads: see `patterns.Corpus`."""
        size = rules.max_length
        return mine_set(gather(self._arrays, weight, members, size), len(self.labels), least, size)

    def counter(self, patterns: Patterns, rules: Rules) -> Count:
        """Return what counts the trees with each subtree: see `patterns.Corpus`."""
        child_bounds, longest = patterns.child_bounds(), int(patterns.length.max())

        def count(members: I64, weight: I64) -> I64:
            trees = gather(self._arrays, weight, members, longest)
            return count_patterns(trees, len(self.labels), patterns.code, child_bounds, longest)

        return count

    def texts(self, patterns: Patterns) -> pa.ListArray:
        """Return subtrees as lists of one bracketed text."""
        return pa.array([[bracketed(row, self.labels)] for row in patterns.matrix()], pa.list_(pa.string()))

    @property
    def _arrays(self) -> Nodes:
        return Nodes(self.label, self.bounds, self.parent, self.first_child, self.next_sibling)


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


def bracketed(codes: Sequence[int], labels: Sequence[str]) -> str:
    """Return as text the subtree of codes `depth * len(labels) + label`: a row of `Patterns.matrix`.

    >>> bracketed([0, 4, 8, -1], ["NP", "PP", "DT"])
    '(NP (PP (DT)))'
    """
    out, n_open = "", 0
    for code in codes:
        if code < 0:
            break
        depth, label = divmod(int(code), len(labels))
        out += ")" * (n_open - depth) + (" " if out else "") + "(" + labels[label]
        n_open = depth + 1
    return out + ")" * n_open


@compiled()
def _links(depth: I32, bounds: I64) -> tuple[I32, I32, I32]:
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
