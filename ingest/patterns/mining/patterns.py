"""Patterns mined from many sets of sentences, kept as one trie: each distinct pattern once, whoever has it.

A pattern is a sequence of codes: items for (skip) n-grams, (depth, label) codes for subtrees. The prefix of a
frequent pattern is frequent in the same set, so the patterns of a set are the nodes of a trie.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled
from nwh.warehouse.errors import UsageError

CHUNK = 16_384  # sentences counted at a time: bounds the memory of a projection
HALF = 32  # a packed support holds the support in the first half above this bit, the whole support below
WHOLE = (1 << HALF) - 1

# the patterns of one set: (rows, 3) last code, row of the pattern without it (-1: none), length; packed
# supports. A pattern stands before those it is a prefix of
Rows = tuple[NDArray[np.int32], NDArray[np.int64]]


@dataclass(frozen=True)
class Patterns:
    """P distinct patterns, shorter ones first; the children of a pattern stand together.

    `code` (P,) is the last code of each, `parent` (P,) the index of the pattern without it (-1 for one code),
    `length` (P,) its number of codes.
    """

    code: NDArray[np.int32]
    parent: NDArray[np.int32]
    length: NDArray[np.int32]

    def __len__(self) -> int:
        """Return P."""
        return len(self.code)

    def matrix(self) -> NDArray[np.int32]:
        """Return the codes of every pattern, (P, longest), filled up with -1."""
        longest = int(self.length.max(initial=0))
        codes = np.full((len(self), longest), -1, np.int32)
        for length in range(1, longest + 1):
            these = np.flatnonzero(self.length == length)
            if length > 1:
                codes[these] = codes[self.parent[these]]
            codes[these, length - 1] = self.code[these]
        return codes

    def child_bounds(self) -> NDArray[np.int64]:
        """Return bounds (P + 2,): the children of pattern i are `bounds[i + 1]:bounds[i + 2]`.

        Patterns of one code are `0:bounds[1]`.
        """
        return np.searchsorted(self.parent, np.arange(-1, len(self) + 1)).astype(np.int64)


@dataclass(frozen=True)
class Mined:
    """R rows, one per set and frequent pattern, in the order of the sets.

    `set_index` (R,) is the place of the set in the block, from 0; `pattern` (R,) an index into `patterns`;
    `support` (R,) the number of the set's sentences with the pattern, `support_first` (R,) of those in the
    first half. Without halves `support_first` is 0.
    """

    patterns: Patterns
    set_index: NDArray[np.int32]
    pattern: NDArray[np.int32]
    support: NDArray[np.int32]
    support_first: NDArray[np.int32]


@dataclass(frozen=True)
class Supports:
    """Number of counted sentences with each of P patterns, (P,), and of those in the first half, (P,)."""

    support: NDArray[np.int64]
    support_first: NDArray[np.int64]


Count = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
"""Packed supports of P patterns, (P,), from sentences (indices) and what each sentence of the corpus adds to them."""


def mine_each(
    mine: Callable[[NDArray[np.int64], NDArray[np.int64], int, int], Rows],
    sets: Sequence[NDArray[np.integer]],
    n_sentences: int,
    n_codes: int,
    min_support: float,
    first_half: NDArray[np.bool_] | None,
    threads: int,
) -> Mined:
    """Return the frequent patterns of each set of sentences; codes are below `n_codes`.

    mine: those of a set, from its sentences, what each sentence adds to a packed support, and `minimum_counts`.
    """
    minimum_count(min_support, 1)
    weight = pack_weights(n_sentences, first_half)

    def of_set(name: int) -> Rows:
        members = check_set(sets[name], n_sentences, name)
        return mine(members, weight, *minimum_counts(min_support, members, first_half))

    with ThreadPoolExecutor(threads) as pool:
        return merge(list(pool.map(of_set, range(len(sets)))), max(n_codes, 1))


def count_all(count: Count, n_sentences: int, first_half: NDArray[np.bool_] | None, threads: int) -> Supports:
    """Return the supports of patterns in the whole corpus."""
    weight = pack_weights(n_sentences, first_half)
    parts = np.split(np.arange(n_sentences), range(CHUNK, n_sentences, CHUNK))
    with ThreadPoolExecutor(threads) as pool:
        return Supports(*unpack(np.add.reduce(list(pool.map(lambda members: count(members, weight), parts)))))


def merge(sets: Sequence[Rows], n_codes: int) -> Mined:
    """Return the rows of all sets over one trie of distinct patterns; codes are below `n_codes`."""
    sizes = np.array([len(supports) for _, supports in sets], np.int64)
    first_row = np.cumsum(sizes) - sizes
    if not sizes.sum():
        none = np.empty(0, np.int32)
        return Mined(Patterns(none, none, none), none, none, none, none)
    code, parent, length = np.concatenate([rows for rows, _ in sets]).T
    parent_row = parent + np.repeat(first_row, sizes)
    index = np.empty(len(code), np.int32)
    levels: list[NDArray[np.int64]] = []
    n_shorter = 0
    for n in range(1, int(length.max()) + 1):
        these = np.flatnonzero(length == n)
        above = index[parent_row[these]].astype(np.int64) if n > 1 else -1
        key, inverse = np.unique((above + 1) * n_codes + code[these], return_inverse=True)
        index[these] = n_shorter + inverse
        n_shorter += len(key)
        levels.append(key)
    key = np.concatenate(levels)
    patterns = Patterns(
        (key % n_codes).astype(np.int32),
        (key // n_codes - 1).astype(np.int32),
        np.repeat(np.arange(1, len(levels) + 1, dtype=np.int32), [len(level) for level in levels]),
    )
    support, support_first = unpack(np.concatenate([supports for _, supports in sets]))
    set_index = np.repeat(np.arange(len(sets), dtype=np.int32), sizes)
    return Mined(patterns, set_index, index, support.astype(np.int32), support_first.astype(np.int32))


def unpack(packed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (whole support, support in the first half) of packed supports."""
    return packed & WHOLE, packed >> HALF


def pack_weights(n_sentences: int, first_half: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Return what each sentence adds to a packed support, (n_sentences,); UsageError for other shapes."""
    if first_half is None:
        return np.ones(n_sentences, np.int64)
    if first_half.shape != (n_sentences,):
        raise UsageError(f"first_half has shape {first_half.shape}: give one flag for each of {n_sentences} sentences")
    return 1 + (first_half.astype(np.int64) << HALF)


BITS = 31  # sentences told apart in one pass, above the count of them that the kernels go by


@dataclass(frozen=True)
class Occurrences:
    """Which of some sentences have each of P patterns: of pattern i those at `places[bounds[i]:bounds[i + 1]]`."""

    bounds: NDArray[np.int64]
    places: NDArray[np.int32]


def find(count: Count, members: NDArray[np.int64], n_sentences: int, threads: int) -> Occurrences:
    """Return which of some sentences (indices) have each pattern: in each pass every sentence has a bit of its own."""
    weight = np.zeros(n_sentences, np.int64)
    weight[members] = 1 + (np.int64(1) << (HALF + np.arange(len(members)) % BITS))
    groups = [members[start : start + BITS] for start in range(0, max(len(members), 1), BITS)]
    with ThreadPoolExecutor(threads) as pool:
        masks = np.stack(list(pool.map(lambda group: count(group, weight) >> HALF, groups)))
    return Occurrences(*_listed(masks))


@compiled(nogil=True)
def _listed(masks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return bounds and places of the bits that are set, (passes, P), by pattern."""
    n_groups, n_patterns = masks.shape
    bounds = np.zeros(n_patterns + 1, np.int64)
    for group in range(n_groups):
        for i in range(n_patterns):
            mask = masks[group, i]
            while mask:
                mask &= mask - 1
                bounds[i + 1] += 1
    for i in range(n_patterns):
        bounds[i + 1] += bounds[i]
    places, fill = np.empty(bounds[-1], np.int32), bounds[:-1].copy()
    for group in range(n_groups):
        for i in range(n_patterns):
            mask, bit = masks[group, i], 0
            while mask:
                if mask & 1:
                    places[fill[i]] = group * BITS + bit
                    fill[i] += 1
                mask >>= 1
                bit += 1
    return bounds, places


@compiled(nogil=True)
def rank_sums(
    ranks: NDArray[np.float64],
    set_index: NDArray[np.int32],
    pattern: NDArray[np.int32],
    bounds: NDArray[np.int64],
    places: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return, for rows (R,) of sets and patterns, the sum of the set's ranks (sets, n) where the pattern occurs."""
    total = np.zeros(len(pattern))
    for row in range(len(pattern)):
        for at in range(bounds[pattern[row]], bounds[pattern[row] + 1]):
            total[row] += ranks[set_index[row], places[at]]
    return total


def minimum_count(min_support: float, k: int) -> int:
    """Return the smallest count c >= 1 with c / k >= min_support; UsageError unless 0 < min_support <= 1."""
    if not 0 < min_support <= 1:
        raise UsageError(f"minimum support {min_support} is not a share: give a number above 0 and at most 1")
    count = ceil(min_support * k)
    while count > 1 and (count - 1) / k >= min_support:  # 0.07 * 100 is a little above 7
        count -= 1
    return max(count, 1)


def minimum_counts(
    min_support: float, members: NDArray[np.int64], first_half: NDArray[np.bool_] | None
) -> tuple[int, int]:
    """Return the smallest frequent supports: in a set of sentences, and in its part in the first half.

    A part without a sentence has no frequent pattern.
    """
    n_first = 0 if first_half is None else int(np.count_nonzero(first_half[members]))
    return minimum_count(min_support, len(members)), minimum_count(min_support, n_first) if n_first else WHOLE


@compiled(nogil=True)
def is_frequent(packed: int, min_count: int, min_first: int) -> bool:
    """Return whether a packed support is frequent: in the whole set or in its first half (see `minimum_counts`)."""
    return (packed & WHOLE) >= min_count or (packed >> HALF) >= min_first


def check_set(members: NDArray[np.integer], n_sentences: int, name: int) -> NDArray[np.int64]:
    """Return the sentence indices of a set in ascending order; UsageError if one repeats or is unknown."""
    ordered = np.unique(members).astype(np.int64)
    if len(ordered) != len(members):
        raise UsageError(f"set {name} has a sentence twice: give each sentence of a neuron once")
    if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < n_sentences:
        raise UsageError(f"set {name} is not within 0..{n_sentences - 1}: give indices of the corpus")
    return ordered


@compiled(nogil=True)
def grown(
    rows: NDArray[np.int32], supports: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return copies of the arrays of `Rows` with room for `room` patterns."""
    larger, larger_supports = np.empty((room, 3), np.int32), np.empty(room, np.int64)
    larger[: len(rows)] = rows
    larger_supports[: len(rows)] = supports
    return larger, larger_supports
