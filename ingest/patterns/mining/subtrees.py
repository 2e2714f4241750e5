"""Frequent subtrees of many sets of sentences, and how often they occur in the whole corpus.

A subtree keeps parent and child, and the order of siblings, which may have others between them (induced,
ordered, labelled); its support is the number of trees that have it. Mined by FREQT (Asai et al. 2002).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.patterns.mining.forest import Forest
from nwh.ingest.patterns.mining.patterns import (
    Count,
    Mined,
    Occurrences,
    Patterns,
    Rows,
    Supports,
    count_all,
    find,
    mine_each,
)
from nwh.ingest.patterns.mining.subtree_kernels import count_patterns, gather, mine_set
from nwh.warehouse.errors import UsageError


def mine_subtrees(
    forest: Forest,
    sets: Sequence[NDArray[np.integer]],
    *,
    min_support: float = 0.02,
    max_size: int = 5,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Mined:
    """Return the subtrees frequent in a set, for each set of sentence indices (from 0) of a block of neurons.

    A subtree has 1 to `max_size` nodes and is frequent when support / size of the set >= `min_support`, or when
    it is so among the set's sentences of the `first_half` (S,), if there are halves; a sentence without a tree
    counts in the size. Codes of the patterns: see `bracketed`. Results do not depend on `threads`. Raises
    UsageError for settings or sets that cannot be.
    """
    if max_size < 1:
        raise UsageError(f"maximum length {max_size} leaves no subtree: give 1 node or more")
    n_labels = len(forest.labels)
    arrays = (forest.label, forest.bounds, forest.parent, forest.first_child, forest.next_sibling)

    def mine(members: NDArray[np.int64], weight: NDArray[np.int64], least: int, least_first: int) -> Rows:
        return mine_set(gather(*arrays, weight, members, max_size), n_labels, least, least_first, max_size)

    return mine_each(mine, sets, len(forest), n_labels * max_size, min_support, first_half, threads)


def count_subtrees(
    forest: Forest,
    patterns: Patterns,
    *,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Supports:
    """Return the exact supports of mined subtrees in the corpus.

    Each distinct subtree is counted once, however many sets have it.
    """
    if not len(patterns):
        return Supports(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return count_all(_counter(forest, patterns), len(forest), first_half, threads)


def find_subtrees(forest: Forest, patterns: Patterns, members: NDArray[np.int64], *, threads: int = 2) -> Occurrences:
    """Return which of some trees (indices) have each of at least one mined subtree."""
    return find(_counter(forest, patterns), members, len(forest), threads)


def _counter(forest: Forest, patterns: Patterns) -> Count:
    """Return what counts packed supports, (P,), among trees `members`, each of which adds its `weight`."""
    child_bounds, longest = patterns.child_bounds(), int(patterns.length.max())
    arrays = (forest.label, forest.bounds, forest.parent, forest.first_child, forest.next_sibling)

    def count(members: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.int64]:
        trees = gather(*arrays, weight, members, longest)
        return count_patterns(trees, len(forest.labels), patterns.code, child_bounds, longest)

    return count


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
