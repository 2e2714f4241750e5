"""Frequent (skip) n-grams of many sets of sentences, and how often they occur in the whole corpus.

A pattern is a list of items that stand in a sentence in that order, with other items between them; its
support is the number of sentences that have it. Patterns and supports are those of PrefixSpan (Pei et al.
2001).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.patterns.mining.encoding import EncodedSentences
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
from nwh.ingest.patterns.mining.sequence_kernels import count_patterns, mine_set, restrict
from nwh.warehouse.errors import UsageError


def mine_sequences(
    corpus: EncodedSentences,
    sets: Sequence[NDArray[np.integer]],
    *,
    min_support: float = 0.01,
    max_length: int = 3,
    max_gap: int | None = None,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Mined:
    """Return the patterns frequent in a set, for each set of sentence indices (from 0) of a block of neurons.

    A pattern has 1 to `max_length` items and is frequent when support / size of the set >= `min_support`, or when
    it is so among the set's sentences of the `first_half` (S,), if there are halves. At most `max_gap` items stand
    between two neighbours of the pattern (0: plain n-grams; None: any number). Results do not depend on `threads`.
    Raises UsageError for settings or sets that cannot be.
    """
    gap = _check(max_length, max_gap)
    arrays = (corpus.item, corpus.bounds, corpus.previous, corpus.last)

    def mine(members: NDArray[np.int64], weight: NDArray[np.int64], least: int, least_first: int) -> Rows:
        return mine_set(*arrays, weight, members, len(corpus.items), least, least_first, max_length, gap)

    return mine_each(mine, sets, len(corpus), len(corpus.items), min_support, first_half, threads)


def count_sequences(
    corpus: EncodedSentences,
    patterns: Patterns,
    *,
    max_gap: int | None = None,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Supports:
    """Return the exact supports of mined patterns in the corpus.

    Each distinct pattern is counted once, however many sets have it. Give `max_gap` as it was mined with.
    """
    if not len(patterns):
        return Supports(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return count_all(_counter(corpus, patterns, max_gap), len(corpus), first_half, threads)


def find_sequences(
    corpus: EncodedSentences,
    patterns: Patterns,
    members: NDArray[np.int64],
    *,
    max_gap: int | None = None,
    threads: int = 2,
) -> Occurrences:
    """Return which of some sentences (indices) have each of at least one mined pattern."""
    return find(_counter(corpus, patterns, max_gap), members, len(corpus), threads)


def _counter(corpus: EncodedSentences, patterns: Patterns, max_gap: int | None) -> Count:
    """Return what counts packed supports, (P,), among sentences `members`, each of which adds its `weight`."""
    gap = _check(1, max_gap)
    used = np.unique(patterns.code)
    code_of = np.full(len(corpus.items), -1, np.int32)
    code_of[used] = np.arange(len(used), dtype=np.int32)
    trie = (code_of[patterns.code], patterns.child_bounds(), int(patterns.length.max()))
    arrays = (corpus.item, corpus.bounds, corpus.previous, corpus.last)

    def count(members: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.int64]:
        return count_patterns(restrict(*arrays, weight, members, code_of), len(used), *trie, gap)

    return count


def _check(max_length: int, max_gap: int | None) -> int:
    if max_length < 1:
        raise UsageError(f"maximum length {max_length} leaves no pattern: give 1 or more")
    if max_gap is not None and max_gap < 0:
        raise UsageError(f"gap limit {max_gap} is below 0: give the items allowed between two items")
    return -1 if max_gap is None else max_gap
