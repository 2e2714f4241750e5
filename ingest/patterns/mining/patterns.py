"""Patterns mined from many sets of sentences, kept as one trie: each distinct pattern once, whoever has it.

A pattern is a sequence of codes: items for (skip) n-grams, (depth, label) codes for subtrees. The prefix of a
frequent pattern is frequent in the same set, so the patterns of a set are the nodes of a trie.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled
from nwh.ingest.patterns.mining.supports import (
    HALF,
    I32,
    I64,
    Rows,
    minimum_count,
    minimum_counts,
    pack_weights,
    unpack,
)
from nwh.warehouse.errors import UsageError

CHUNK = 16_384  # sentences counted at a time: bounds the memory of a projection


@dataclass(frozen=True)
class Patterns:
    """P distinct patterns, shorter ones first; the children of a pattern stand together.

    `code` (P,) is the last code of each, `parent` (P,) the index of the pattern without it (-1 for one code),
    `length` (P,) its number of codes.
    """

    code: I32
    parent: I32
    length: I32

    def __len__(self) -> int:
        return len(self.code)

    def matrix(self) -> I32:
        """Return the codes of every pattern, (P, longest), filled up with -1."""
        longest = int(self.length.max(initial=0))
        codes = np.full((len(self), longest), -1, np.int32)
        for length in range(1, longest + 1):
            these = np.flatnonzero(self.length == length)
            if length > 1:
                codes[these] = codes[self.parent[these]]
            codes[these, length - 1] = self.code[these]
        return codes

    def child_bounds(self) -> I64:
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
    set_index: I32
    pattern: I32
    support: I32
    support_first: I32


@dataclass(frozen=True)
class Supports:
    """Number of counted sentences with each of P patterns, (P,), and of those in the first half, (P,)."""

    support: I64
    support_first: I64


Count = Callable[[I64, I64], I64]
"""Packed supports of P patterns, (P,), from sentences (indices) and what each sentence of the corpus adds to them."""


@dataclass(frozen=True)
class Rules:
    """What counts as a frequent pattern of a set of sentences; UsageError for what cannot be.

    One has 1 to `max_length` codes and is frequent when support / size of the set >= `min_support`. At most `max_gap`
    items stand between two neighbours in an n-gram (0: plain n-grams; null: any number).
    """

    min_support: float = 0.01
    max_length: int = 3
    max_gap: int | None = None

    def __post_init__(self) -> None:
        minimum_count(self.min_support, 1)
        if self.max_length < 1:
            raise UsageError(f"--max-length must be at least 1, not {self.max_length}")
        if self.max_gap is not None and self.max_gap < 0:
            raise UsageError(f"--max-gap must be at least 0 (0: neighbours only), not {self.max_gap}")


class Corpus(Protocol):
    """S sentences, encoded once: see `EncodedSentences`, `Forest`. `weight` (S,) is added to packed supports."""

    def __len__(self) -> int: ...

    def mine(self, members: I64, weight: I64, least: tuple[int, int], rules: Rules) -> Rows:
        """Return the patterns of the sentences `members` that reach one of their `minimum_counts`."""
        ...

    def counter(self, patterns: Patterns, rules: Rules) -> Count:
        """Return what counts the sentences with each of at least one pattern."""
        ...

    def texts(self, patterns: Patterns) -> pa.ListArray:
        """Return patterns as lists of text."""
        ...


def mine(
    corpus: Corpus,
    sets: Sequence[NDArray[np.integer]],
    rules: Rules,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Mined:
    """Return the patterns frequent in a set, for each set of sentence indices (from 0) of a block of neurons.

    Or frequent among the set's sentences of the `first_half` (S,), if there are halves. A sentence without a tree
    counts in the size of a set. Results do not depend on `threads`. UsageError for sets that cannot be.
    """
    weight = pack_weights(len(corpus), first_half)

    def of_set(name: int) -> Rows:
        members = check_set(sets[name], len(corpus), name)
        return corpus.mine(members, weight, minimum_counts(rules.min_support, members, first_half), rules)

    with ThreadPoolExecutor(threads) as pool:
        return merge(list(pool.map(of_set, range(len(sets)))))


def count(
    corpus: Corpus,
    patterns: Patterns,
    rules: Rules,
    first_half: NDArray[np.bool_] | None = None,
    threads: int = 2,
) -> Supports:
    """Return the exact supports in the corpus of patterns mined by these rules, each counted once, whoever has it."""
    if not len(patterns):
        return Supports(np.zeros(0, np.int64), np.zeros(0, np.int64))
    of, weight = corpus.counter(patterns, rules), pack_weights(len(corpus), first_half)
    parts = np.split(np.arange(len(corpus)), range(CHUNK, len(corpus), CHUNK))
    with ThreadPoolExecutor(threads) as pool:
        return Supports(*unpack(np.add.reduce(list(pool.map(lambda members: of(members, weight), parts)))))


def merge(sets: Sequence[Rows]) -> Mined:
    """Return the rows of all sets over one trie of distinct patterns."""
    sizes = np.array([len(supports) for _, supports in sets], np.int64)
    first_row = np.cumsum(sizes) - sizes
    if not sizes.sum():
        none = np.empty(0, np.int32)
        return Mined(Patterns(none, none, none), none, none, none, none)
    code, parent, length = np.concatenate([rows for rows, _ in sets]).T
    n_codes, parent_row = int(code.max()) + 1, parent + np.repeat(first_row, sizes)
    index = np.empty(len(code), np.int32)
    levels: list[I64] = []
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


BITS = 31  # sentences told apart in one pass, above the count of them that the kernels go by


@dataclass(frozen=True)
class Occurrences:
    """Which of some sentences have each of P patterns: of pattern i those at `places[bounds[i]:bounds[i + 1]]`."""

    bounds: I64
    places: I32


def find(corpus: Corpus, patterns: Patterns, rules: Rules, members: I64, threads: int = 2) -> Occurrences:
    """Return which of some sentences (indices) have each of at least one mined pattern.

    In each pass every sentence has a bit of its own.
    """
    of, weight = corpus.counter(patterns, rules), np.zeros(len(corpus), np.int64)
    weight[members] = 1 + (np.int64(1) << (HALF + np.arange(len(members)) % BITS))
    groups = [members[start : start + BITS] for start in range(0, max(len(members), 1), BITS)]
    with ThreadPoolExecutor(threads) as pool:
        masks = np.stack(list(pool.map(lambda group: of(group, weight) >> HALF, groups)))
    return Occurrences(*_listed(masks))


@compiled(nogil=True)
def _listed(masks: I64) -> tuple[I64, I32]:
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
    set_index: I32,
    pattern: I32,
    bounds: I64,
    places: I32,
) -> NDArray[np.float64]:
    """Return, for rows (R,) of sets and patterns, the sum of the set's ranks (sets, n) where the pattern occurs."""
    total = np.zeros(len(pattern))
    for row in range(len(pattern)):
        for at in range(bounds[pattern[row]], bounds[pattern[row] + 1]):
            total[row] += ranks[set_index[row], places[at]]
    return total


def check_set(members: NDArray[np.integer], n_sentences: int, name: int) -> I64:
    """Return the sentence indices of a set in ascending order; UsageError if one repeats or is unknown."""
    ordered = np.unique(members).astype(np.int64)
    if len(ordered) != len(members):
        raise UsageError(f"set {name} has a sentence twice: give each sentence of a neuron once")
    if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < n_sentences:
        raise UsageError(f"set {name} is not within 0..{n_sentences - 1}: give indices of the corpus")
    return ordered
