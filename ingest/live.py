"""Activations of one neuron at every token of a few texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ingest.models import LoadedModel, capture, forward
from warehouse.errors import UsageError
from warehouse.neurons import Neuron


@dataclass(frozen=True)
class TokenActivations:
    """A text's tokens as the model sees them, special ones included, and the neuron's activation at each.

    spans: (start, end) of each token in the text's characters; empty for special tokens.
    special: whether the tokenizer added the token.
    """

    tokens: list[str]
    spans: list[tuple[int, int]]
    special: list[bool]
    activations: list[float]


def activations_at_tokens(model: LoadedModel, neuron: Neuron, texts: Sequence[str]) -> list[TokenActivations]:
    """Run the model over each text by itself; UsageError for a layer or neuron that it does not have."""
    row = model.checkpoint
    width = row.d_ffn if neuron.site == "ffn" else row.d_model
    if neuron.layer >= row.n_layers or neuron.neuron >= width:
        raise UsageError(
            f"no neuron {neuron}: {row.model} has layers 0 to {row.n_layers - 1} with neurons 0 to {width - 1} "
            f"at {neuron.site}"
        )
    found: list[TokenActivations] = []
    for text in texts:
        encoded = model.tokenizer(
            text,
            truncation=True,
            max_length=model.window,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        ids = encoded["input_ids"]
        values: list[float] = []

        def take(site: str, layer: int, activations: Tensor, values: list[float] = values) -> None:
            values += activations[0, :, neuron.neuron].float().tolist()

        if ids:
            with capture(model, [neuron.site], take, layers=[neuron.layer]):
                forward(model, torch.tensor([ids], device=model.device))
        found.append(
            TokenActivations(
                model.tokenizer.convert_ids_to_tokens(ids),
                [tuple(span) for span in encoded["offset_mapping"]],
                [bool(flag) for flag in encoded["special_tokens_mask"]],
                values,
            )
        )
    return found
