"""From token activations to a sentence's activation: mean, max, last, cls."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from nwh.warehouse.errors import UsageError


class Aggregate(Protocol):
    """One way to make a sentence's activation."""

    def __call__(self, activations: Tensor, counted: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return [batch, width] float32, and token positions [batch, width] int16 for the maximum.

        activations [batch, tokens, width], counted [batch, tokens] bool. out: where the result may be written.
        """


def mean(activations: Tensor, counted: Tensor, out: Tensor | None = None) -> tuple[Tensor, None]:
    """Mean over the counted tokens."""
    weights = _shares(counted, torch.is_inference_mode_enabled())
    if out is None:
        return torch.bmm(weights, activations.float())[:, 0], None
    torch.bmm(weights, activations.float(), out=out[:, None])
    return out, None


@lru_cache(maxsize=1)  # tensors are told apart by identity: a batch's weights serve all its layers and sites
def _shares(counted: Tensor, inference: bool) -> Tensor:
    """Return each counted token's share of its sentence, [batch, 1, tokens]; made for `inference` or for gradients."""
    weights = counted.float()
    return (weights / weights.sum(1, keepdim=True))[:, None]


def maximum(activations: Tensor, counted: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Highest value of the counted tokens, and the first position that has it."""
    values, positions = activations.float().masked_fill(~counted[:, :, None], -torch.inf).max(1)
    return values, positions.short()


def last(activations: Tensor, counted: Tensor, out: Tensor | None = None) -> tuple[Tensor, None]:
    """Value at the last counted token."""
    place = (counted * torch.arange(counted.shape[1], device=counted.device)).amax(1)
    return activations[torch.arange(len(place), device=place.device), place].float(), None


def cls(activations: Tensor, counted: Tensor, out: Tensor | None = None) -> tuple[Tensor, None]:
    """Value at the first token, the classifier token of masked models."""
    return activations[:, 0].float(), None


AGGREGATES: dict[str, Aggregate] = {"mean": mean, "max": maximum, "last": last, "cls": cls}


def aggregate_named(name: str, has_cls_token: bool) -> Aggregate:
    """Return an aggregate by name; UsageError for an unknown one, or `cls` where a model puts no such token."""
    if name not in AGGREGATES:
        raise UsageError(f"aggregate {name!r} is not known: use one of {', '.join(AGGREGATES)}")
    if name == "cls" and not has_cls_token:
        raise UsageError("this model's sentences do not begin with a [CLS] token: use --aggregate mean, max or last")
    return AGGREGATES[name]
