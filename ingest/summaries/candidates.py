"""The inner loop of the streaming top-K on the CPU, compiled: compare, and append what may be among the K."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_ORDINAL = np.int64(2**32 - 1)


@numba.njit(cache=True, nogil=True)
def append(
    bits: NDArray[np.int32],
    ordinals: NDArray[np.int64],
    least: NDArray[np.int32],
    lowest: bool,
    keys: NDArray[np.int64],
    filled: NDArray[np.int64],
) -> None:
    """Append the keys of a chunk's candidates to each neuron's row of `keys`, which must have room for the chunk.

    bits [neurons, sentences]: the activations' float32 bits. least [neurons]: what a candidate's ordered bits must
    reach. lowest: whether low activations are sought. filled [neurons]: slots in use, moved on. The key is that of
    `ingest.summaries.topk.encode`.
    """
    for neuron in range(bits.shape[0]):
        at, reach = filled[neuron], least[neuron]
        for sentence in range(bits.shape[1]):
            value = bits[neuron, sentence]
            if value == -2147483648:  # -0 counts as 0
                value = np.int32(0)
            ordered = value ^ ((value >> np.int32(31)) & np.int32(0x7FFFFFFF))
            if lowest:
                ordered = ~ordered
            if ordered >= reach:
                keys[neuron, at] = (np.int64(ordered) << np.int64(32)) | (_ORDINAL - ordinals[sentence])
                at += 1
        filled[neuron] = at
