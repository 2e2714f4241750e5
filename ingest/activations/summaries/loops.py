"""The two ways to run the summaries' inner loops: compiled for the CPU, or in torch on any device.

What a loop means is written once, in `compiled`; both work on the same tensors, so a summary's state, how it merges and
what it results in do not know which one filled it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.activations.summaries import compiled, in_torch


@dataclass(frozen=True)
class Loops:
    """The loops, on tensors; see the functions of the same names in `in_torch`."""

    append: Callable[..., None]
    keep_largest: Callable[..., None]
    ranked: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
    extremes: Callable[[Tensor], tuple[Tensor, Tensor]]
    central_sums: Callable[[Tensor], Tensor]
    count: Callable[[Tensor, Tensor, Tensor], None]
    join: Callable[[Tensor, Tensor, Tensor, Tensor], None]
    cumulative: Callable[[Tensor, Tensor], Tensor]


def _array(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else tensor.numpy()


def _append(
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
    bits, state = values.numpy().view(np.int32), (keys.numpy(), _array(slots), filled.numpy(), least.numpy())
    compiled.append(bits, ordinals.numpy(), _array(positions), lowest, k, *state)


def _keep_largest(keys: Tensor, slots: Tensor | None, filled: Tensor, least: Tensor, k: int) -> None:
    compiled.keep_largest(keys.numpy(), _array(slots), filled.numpy(), least.numpy(), k)


def _ranked(keys: Tensor, slots: Tensor | None) -> tuple[Tensor, Tensor | None]:
    worst_first = ~keys.numpy()  # numpy sorts rows 3 times faster than torch
    if slots is None:
        worst_first.sort()
        return torch.from_numpy(np.invert(worst_first, out=worst_first)), None
    order = torch.from_numpy(worst_first.argsort())
    return keys.gather(1, order), slots.gather(1, order)


def _extremes(values: Tensor) -> tuple[Tensor, Tensor]:
    low, high = torch.from_numpy(compiled.extremes(values.numpy().view(np.int32))).view(torch.float32)
    return low, high


def _central_sums(values: Tensor) -> Tensor:
    return torch.from_numpy(compiled.central_sums(values.numpy()))


def _count(values: Tensor, scale: Tensor, counts: Tensor) -> None:
    compiled.count(values.numpy(), scale.numpy(), counts.numpy())


def _join(counts: Tensor, first: Tensor, shift: Tensor, into: Tensor) -> None:
    compiled.join(counts.numpy(), first.numpy(), shift.numpy(), into.numpy())


def _cumulative(counts: Tensor, first: Tensor) -> Tensor:
    return torch.from_numpy(compiled.cumulative(counts.numpy(), first.numpy()))


COMPILED = Loops(_append, _keep_largest, _ranked, _extremes, _central_sums, _count, _join, _cumulative)
IN_TORCH = Loops(
    in_torch.append,
    in_torch.keep_largest,
    in_torch.ranked,
    in_torch.extremes,
    in_torch.central_sums,
    in_torch.count,
    in_torch.join,
    in_torch.cumulative,
)
