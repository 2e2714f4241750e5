"""Packed supports, of all sentences and of the first half in one integer, and what both mining kernels do with them."""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled
from nwh.warehouse.errors import UsageError

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

HALF = 32  # a packed support holds the support in the first half above this bit, the whole support below
WHOLE = (1 << HALF) - 1

# the patterns of one set: (rows, 3) last code, row of the pattern without it (-1: none), length; packed
# supports. A pattern stands before those it is a prefix of
Rows = tuple[I32, I64]


def unpack(packed: I64) -> tuple[I64, I64]:
    """Return (whole support, support in the first half) of packed supports."""
    return packed & WHOLE, packed >> HALF


def pack_weights(n_sentences: int, first_half: NDArray[np.bool_] | None) -> I64:
    """Return what each sentence adds to a packed support, (n_sentences,); UsageError for other shapes."""
    if first_half is None:
        return np.ones(n_sentences, np.int64)
    if first_half.shape != (n_sentences,):
        raise UsageError(f"first_half has shape {first_half.shape}: give one flag for each of {n_sentences} sentences")
    return 1 + (first_half.astype(np.int64) << HALF)


def minimum_count(min_support: float, k: int) -> int:
    """Return the smallest count c >= 1 with c / k >= min_support; UsageError unless 0 < min_support <= 1."""
    if not 0 < min_support <= 1:
        raise UsageError(f"minimum support {min_support} is not a share: give a number above 0 and at most 1")
    count = ceil(min_support * k)
    while count > 1 and (count - 1) / k >= min_support:  # 0.07 * 100 is a little above 7
        count -= 1
    return max(count, 1)


def minimum_counts(min_support: float, members: I64, first_half: NDArray[np.bool_] | None) -> tuple[int, int]:
    """Return the smallest frequent supports: in a set of sentences, and in its part in the first half.

    A part without a sentence has no frequent pattern.
    """
    n_first = 0 if first_half is None else int(np.count_nonzero(first_half[members]))
    return minimum_count(min_support, len(members)), minimum_count(min_support, n_first) if n_first else WHOLE


@compiled(nogil=True)
def is_frequent(packed: Any, least: tuple[int, int]) -> Any:
    """Return whether packed supports are frequent: in the whole set or in its first half (see `minimum_counts`)."""
    return ((packed & WHOLE) >= least[0]) | ((packed >> HALF) >= least[1])


@compiled(nogil=True)
def grown(rows: I32, supports: I64, room: int) -> tuple[I32, I64]:
    """Return copies of the arrays of `Rows` with room for `room` patterns."""
    larger, larger_supports = np.empty((room, 3), np.int32), np.empty(room, np.int64)
    larger[: len(rows)] = rows
    larger_supports[: len(rows)] = supports
    return larger, larger_supports


@compiled(nogil=True)
def by_code(code: I32, n_codes: int) -> tuple[I32, I32]:
    """Return the places of each code, in order, and the bounds of these groups; those of codes below 0 are left out."""
    bounds = np.zeros(n_codes + 1, np.int32)
    for c in code:
        if c >= 0:
            bounds[c + 1] += 1
    for c in range(n_codes):
        bounds[c + 1] += bounds[c]
    places, fill = np.empty(bounds[-1], np.int32), bounds[:-1].copy()
    for j in range(len(code)):
        if code[j] >= 0:
            places[fill[code[j]]] = j
            fill[code[j]] += 1
    return places, bounds
