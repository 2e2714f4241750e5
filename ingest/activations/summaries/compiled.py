"""The inner loops of the summaries, compiled: one neuron's chunk stays in the cache while it is read.

They hold no lock, so several of them run at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled

EMPTY = -(2**63)
_ORDINAL = np.int64(2**32 - 1)


@compiled(nogil=True)
def _in_order(bits: np.int32) -> np.int32:
    """Return a float32's bits mapped so that integers order like floats; of these, the bits."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@compiled(nogil=True)
def raise_to_tokens(highest: NDArray[np.float32], tokens: NDArray[np.float32], counted: NDArray[np.bool_]) -> None:
    """Raise each neuron's `highest` [width] to its activations at the tokens that count.

    tokens [batch, tokens, width], counted [batch, tokens].
    """
    for sentence in range(tokens.shape[0]):
        for token in range(tokens.shape[1]):
            if counted[sentence, token]:
                row = tokens[sentence, token]
                for neuron in range(len(highest)):
                    highest[neuron] = row[neuron] if row[neuron] > highest[neuron] else highest[neuron]


@compiled(nogil=True)
def append(
    bits: NDArray[np.int32],
    ordinals: NDArray[np.int64],
    positions: NDArray[np.int16] | None,
    lowest: bool,
    k: int,
    keys: NDArray[np.int64],
    slots: NDArray[np.int16] | None,
    filled: NDArray[np.int64],
    least: NDArray[np.int32],
) -> None:
    """Append the keys of a chunk's candidates to each neuron's row of `keys`; a full row is cut to its k largest.

    bits [neurons, sentences]: the activations' float32 bits; positions likewise, kept in `slots` beside the keys, or
    both null. lowest: whether low activations are sought. filled [neurons]: slots in use, moved on. least [neurons]:
    what a candidate's ordered bits must reach, raised by each cut. `decode` reads keys.

    Every value's key is written to the next slot, which only a candidate's moves on: no branch to be guessed wrong,
    2.4 times faster than with one. So a slot not in use may hold the key of a value that is no candidate. Unsigned
    places spare the test for negative ones.
    """
    flip = np.int32(-1) if lowest else np.int32(0)
    below = _ORDINAL - ordinals
    n, size = bits.shape[1], np.uint64(keys.shape[1])
    for neuron in range(bits.shape[0]):
        row, line, reach = keys[neuron], bits[neuron], least[neuron]
        at, start = np.uint64(filled[neuron]), 0
        while start < n:
            if at == size:
                _keep(row, None if slots is None else slots[neuron], k)
                at, reach = np.uint64(k), np.int32(row[:k].min() >> np.int64(32))
            end = min(n, start + np.int64(size - at))
            for sentence in range(np.uint64(start), np.uint64(end)):
                value = line[sentence]
                value = np.int32(0) if value == -2147483648 else value  # -0 counts as 0
                ordered = _in_order(value) ^ flip
                row[at] = (np.int64(ordered) << np.int64(32)) | below[sentence]
                if slots is not None and positions is not None:
                    slots[neuron, at] = positions[neuron, sentence]
                at += np.uint64(ordered >= reach)
            start = end
        filled[neuron], least[neuron] = at, reach


@compiled(nogil=True)
def keep_largest(
    keys: NDArray[np.int64],
    slots: NDArray[np.int16] | None,
    filled: NDArray[np.int64],
    least: NDArray[np.int32],
    k: int,
) -> None:
    """Move the k largest of each neuron's keys to the front of its row, in no order; arguments as of `append`."""
    for neuron in range(keys.shape[0]):
        if filled[neuron] > k:
            row = keys[neuron, : filled[neuron]]
            _keep(row, None if slots is None else slots[neuron], k)
            filled[neuron], least[neuron] = k, row[:k].min() >> np.int64(32)


@compiled(nogil=True)
def _keep(row: NDArray[np.int64], tokens: NDArray[np.int16] | None, k: int) -> None:
    """Hoare's selection by Lomuto's partition, without branches; `tokens` move with the keys, which all differ.

    Empty ones, which are least, may be there several times.
    """
    low, high = np.int64(0), np.int64(row.size - 1)
    drawn = np.uint64(k)
    while low < high:
        # the middle one of three keys drawn is the pivot: chunks come sorted by length, so fixed places could be bad
        drawn = drawn * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        n = np.uint64(high - low + 1)
        one = low + np.int64((drawn >> np.uint64(44)) % n)
        other = low + np.int64(((drawn >> np.uint64(24)) & np.uint64(0xFFFFF)) % n)
        pivot_at = low + np.int64(((drawn >> np.uint64(4)) & np.uint64(0xFFFFF)) % n)
        if row[one] > row[other]:
            one, other = other, one
        if row[pivot_at] < row[one]:
            pivot_at = one
        elif row[pivot_at] > row[other]:
            pivot_at = other
        pivot = row[pivot_at]
        _swap(row, tokens, pivot_at, high)
        to = np.uint64(low)
        for at in range(np.uint64(low), np.uint64(high)):
            key = row[at]
            _swap(row, tokens, at, to)
            to += np.uint64(key > pivot)
        middle = np.int64(to)
        _swap(row, tokens, high, middle)
        if middle in (k - 1, k) or (middle < k and pivot == EMPTY):
            break
        if middle > k:
            high = middle - 1
        else:
            low = middle + 1


@compiled(nogil=True)
def _swap(row: NDArray[np.int64], tokens: NDArray[np.int16] | None, one: Any, other: Any) -> None:
    row[one], row[other] = row[other], row[one]
    if tokens is not None:
        tokens[one], tokens[other] = tokens[other], tokens[one]


@compiled(nogil=True)
def decode(keys: NDArray[np.int64], lowest: bool) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the bits of the activations and the ordinals of keys [neurons, K], as `append` makes them."""
    bits, ordinals = np.empty(keys.shape, np.int32), np.empty(keys.shape, np.int64)
    flip = np.int32(-1) if lowest else np.int32(0)
    for neuron in range(keys.shape[0]):
        for at in range(keys.shape[1]):
            key = keys[neuron, at]
            bits[neuron, at] = _in_order(np.int32(key >> np.int64(32)) ^ flip)
            ordinals[neuron, at] = _ORDINAL - (key & _ORDINAL)
    return bits, ordinals


@compiled(nogil=True)
def transposed(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows [sentences, neurons] as [neurons, sentences], contiguous."""
    n, width = rows.shape
    out = np.empty((width, n), rows.dtype)
    for first in range(0, width, 16):
        for start in range(0, n, 16):
            for neuron in range(first, min(first + 16, width)):
                for sentence in range(start, min(start + 16, n)):
                    out[neuron, sentence] = rows[sentence, neuron]
    return out


@compiled(nogil=True)
def extremes(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the bits of each neuron's lowest and highest value, [2, neurons]; a NaN is beyond infinity.

    bits [neurons, sentences]: the activations' float32 bits.
    """
    found = np.empty((2, bits.shape[0]), np.int32)
    for neuron in range(bits.shape[0]):
        low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
        for value in bits[neuron]:
            ordered = _in_order(value)
            low, high = min(low, ordered), max(high, ordered)
        found[0, neuron] = _in_order(low)
        found[1, neuron] = _in_order(high)
    return found


@compiled(nogil=True, fastmath={"reassoc", "contract"})
def central_sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return, per neuron, the mean of values [neurons, sentences], the sums of powers 1 to 4 of what they differ
    from it by, and how many are above 0: [6, neurons].
    """  # fmt: skip
    sums = np.empty((6, values.shape[0]))
    n = values.shape[1]
    for neuron in range(values.shape[0]):
        row = values[neuron]
        total = 0.0
        for i in range(n):
            total += row[i]
        centre = total / n
        s1 = s2 = s3 = s4 = 0.0
        positive = 0
        for i in range(n):
            d = row[i] - centre
            square = d * d
            s1 += d
            s2 += square
            s3 += square * d
            s4 += square * square
            positive += row[i] > 0
        sums[0, neuron], sums[5, neuron] = centre, positive
        sums[1, neuron], sums[2, neuron], sums[3, neuron], sums[4, neuron] = s1, s2, s3, s4
    return sums


@compiled(nogil=True)
def count(values: NDArray[np.float32], scale: NDArray[np.float32], counts: NDArray[np.int32]) -> None:
    """Count each value of a neuron in slot floor(value * scale) mod the number of slots, a power of two.

    values [neurons, sentences], scale [neurons], counts [neurons, slots].
    """
    last = np.int32(counts.shape[1] - 1)
    for neuron in range(values.shape[0]):
        by = scale[neuron]
        for i in range(values.shape[1]):
            counts[neuron, np.int32(np.floor(values[neuron, i] * by)) & last] += 1


@compiled(nogil=True)
def join(
    counts: NDArray[np.int32], first: NDArray[np.int64], shift: NDArray[np.int64], into: NDArray[np.int32]
) -> None:
    """Add counts of fine bins to those of bins 2**shift as wide.

    counts, into [neurons, slots]: bin b is in slot b mod the number of slots, a power of two; first [neurons]: the
    least fine bin that is counted; shift [neurons].
    """
    last = counts.shape[1] - 1
    for neuron in range(counts.shape[0]):
        fine, coarse, by = counts[neuron], into[neuron], shift[neuron]
        if by == 0:
            coarse += fine
            continue
        for b in range(first[neuron], first[neuron] + counts.shape[1]):
            coarse[(b >> by) & last] += fine[b & last]


@compiled(nogil=True)
def cumulative(counts: NDArray[np.int32], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many values lie in each neuron's bin `first` [neurons] and those after it, up to each.

    counts [neurons, slots]: bin b is in slot b mod the number of slots, a power of two. Result: the same shape.
    """
    last = counts.shape[1] - 1
    reached = np.empty(counts.shape, np.int64)
    for neuron in range(counts.shape[0]):
        total = 0
        for b in range(counts.shape[1]):
            total += counts[neuron, (first[neuron] + b) & last]
            reached[neuron, b] = total
    return reached
