"""The inner loops of the summaries on the CPU, compiled: one neuron's chunk stays in the cache while it is read.

They hold no lock, so two of them run at once. On other devices the same is done with torch.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_ORDINAL = np.int64(2**32 - 1)


def serves(tensor: Tensor) -> bool:
    """Return whether a tensor is where these loops can read it."""
    return tensor.device.type == "cpu"


@numba.njit(cache=True, nogil=True)
def append(
    bits: NDArray[np.int32],
    ordinals: NDArray[np.int64],
    lowest: bool,
    k: int,
    keys: NDArray[np.int64],
    filled: NDArray[np.int64],
    least: NDArray[np.int32],
    empty: int,
) -> None:
    """Append the keys of a chunk's candidates to each neuron's row of `keys`; a full row is cut to its k largest.

    bits [neurons, sentences]: the activations' float32 bits. lowest: whether low activations are sought. filled
    [neurons]: slots in use, moved on. least [neurons]: what a candidate's ordered bits must reach, raised by each cut.
    The key is that of `ingest.summaries.topk.encode`.
    """
    for neuron in range(bits.shape[0]):
        row, at, reach = keys[neuron], filled[neuron], least[neuron]
        for sentence in range(bits.shape[1]):
            value = bits[neuron, sentence]
            if value == -2147483648:  # -0 counts as 0
                value = np.int32(0)
            ordered = value ^ ((value >> np.int32(31)) & np.int32(0x7FFFFFFF))
            if lowest:
                ordered = ~ordered
            if ordered >= reach:
                if at == row.size:
                    _keep(row, k, empty)
                    at, reach = k, np.int32(row[:k].min() >> np.int64(32))
                    if ordered < reach:
                        continue
                row[at] = (np.int64(ordered) << np.int64(32)) | (_ORDINAL - ordinals[sentence])
                at += 1
        filled[neuron], least[neuron] = at, reach


@numba.njit(cache=True, nogil=True)
def keep_largest(keys: NDArray[np.int64], k: int, empty: int) -> None:
    """Move the k largest of each neuron's keys to the front of its row, in no order, and empty the rest."""
    for neuron in range(keys.shape[0]):
        _keep(keys[neuron], k, empty)


@numba.njit(cache=True, nogil=True)
def _keep(row: NDArray[np.int64], k: int, empty: int) -> None:
    largest = np.partition(row, row.size - k)
    row[:k] = largest[row.size - k :]
    row[k:] = empty


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
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


@numba.njit(cache=True, nogil=True)
def count(values: NDArray[np.float32], scale: NDArray[np.float32], counts: NDArray[np.int32]) -> None:
    """Count each value of a neuron in slot floor(value * scale) mod the number of slots, a power of two.

    values [neurons, sentences], scale [neurons], counts [neurons, slots].
    """
    last = np.int32(counts.shape[1] - 1)
    for neuron in range(values.shape[0]):
        by = scale[neuron]
        for i in range(values.shape[1]):
            counts[neuron, np.int32(np.floor(values[neuron, i] * by)) & last] += 1
