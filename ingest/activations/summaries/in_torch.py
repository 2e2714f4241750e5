"""The inner loops of the summaries in plain torch, for devices that numba does not compile for.

Each does what the function of the same name in `compiled` does, to the same tensors. Nothing here depends on the order
in which a device's threads come: keys are all different, counts are integers, sums run along one row at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.compiled import EMPTY

_ORDINAL = 2**32 - 1
_ELEMENTS = 2**25  # of int64 that are selected from at a time: what `topk` returns is as much again, twice


def append(
    values: Tensor,
    ordinals: Tensor,
    positions: Tensor | None,
    lowest: bool,
    k: int,
    keys: Tensor,
    slots: Tensor | None,
    filled: Tensor,
    least: Tensor,
) -> None:
    """Append the keys of a chunk's candidates to each neuron's row of `keys`; a full row is cut to its k largest."""
    room = keys.shape[1] - k  # of rows that were cut: so many more candidates there can be at most
    below = _ORDINAL - ordinals
    for start in range(0, values.shape[1], room):
        part = slice(start, start + room)
        bits = (values[:, part] + 0.0).view(torch.int32)  # -0 counts as 0
        ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        ordered = ~ordered if lowest else ordered
        candidates = ordered >= least[:, None]
        counts = candidates.sum(1)
        if bool((filled + counts > keys.shape[1]).any()):
            keep_largest(keys, slots, filled, least, k)
            candidates = ordered >= least[:, None]
            counts = candidates.sum(1)
        neuron, sentence = candidates.nonzero(as_tuple=True)  # by neuron
        slot = (filled - counts.cumsum(0) + counts)[neuron] + torch.arange(len(neuron), device=keys.device)
        keys[neuron, slot] = (ordered[neuron, sentence].long() << 32) | below[part][sentence]
        if slots is not None and positions is not None:
            slots[neuron, slot] = positions[:, part][neuron, sentence]
        filled += counts


def keep_largest(keys: Tensor, slots: Tensor | None, filled: Tensor, least: Tensor, k: int) -> None:
    """Move the k largest of each neuron's keys to the front of its row, in no order, and empty the rest.

    Where some neuron has more than k, all have k at least: they have seen the same sentences.
    """
    if int(filled.max()) <= k:
        return
    step = max(1, _ELEMENTS // keys.shape[1])
    for first in range(0, len(keys), step):
        rows = slice(first, first + step)
        kept, places = keys[rows].topk(k, dim=1, sorted=False)
        lowest = kept.amin(1)
        if bool((lowest == EMPTY).any()):  # of merged ones: those in use come first
            kept, places = keys[rows].topk(k, dim=1)
        keys[rows, :k], keys[rows, k:] = kept, EMPTY
        if slots is not None:
            slots[rows, :k] = slots[rows].gather(1, places)
        least[rows] = (lowest >> 32).int()
    filled.clamp_(max=k)


def ranked(keys: Tensor, slots: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return each neuron's keys, largest first, and the slots beside them."""
    keys, order = keys.sort(dim=1, descending=True)
    return keys, None if slots is None else slots.gather(1, order)


def extremes(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return each neuron's lowest and highest value; NaN where one is."""
    low, high = values.aminmax(dim=1)
    return low, high


def central_sums(values: Tensor) -> Tensor:
    """Return, per neuron, the mean, the sums of powers 1 to 4 around it, and how many are above 0: [6, neurons]."""
    wide = values.double()
    centre = wide.mean(1)
    wide -= centre[:, None]
    square = wide * wide
    sums = [wide.sum(1), square.sum(1), torch.linalg.vecdot(square, wide), torch.linalg.vecdot(square, square)]
    return torch.stack([centre, *sums, (values > 0).sum(1).double()])


def count(values: Tensor, scale: Tensor, counts: Tensor) -> None:
    """Count each value of a neuron in slot floor(value * scale) mod the number of slots, a power of two."""
    slots = (values * scale[:, None]).floor_().int() & (counts.shape[1] - 1)
    counts.scatter_add_(1, slots.long(), torch.ones((), dtype=torch.int32, device=counts.device).expand_as(slots))


def join(counts: Tensor, first: Tensor, shift: Tensor, into: Tensor) -> None:
    """Add counts of fine bins to those of bins 2**shift as wide; see the function of the same name in `compiled`."""
    last = counts.shape[1] - 1
    bins = first[:, None] + torch.arange(counts.shape[1], device=counts.device)
    into.scatter_add_(1, (bins >> shift[:, None]) & last, counts.gather(1, bins & last))


def cumulative(counts: Tensor, first: Tensor) -> Tensor:
    """Return how many values lie in each neuron's bin `first` [neurons] and those after it, up to each; int64."""
    slots = (first[:, None] + torch.arange(counts.shape[1], device=counts.device)) & (counts.shape[1] - 1)
    return counts.gather(1, slots).cumsum(1, dtype=torch.int64)
