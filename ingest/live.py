"""Activations of one neuron at every token of a few texts, and of all neurons of a site on one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ingest.aggregates import aggregate_named
from ingest.batches import MIN_TOKENS, Tally, batches
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


def activations_of_text(
    model: LoadedModel, site: str, text: str, aggregate: str = "mean", special_tokens: bool = False
) -> NDArray[np.float32]:
    """Return what job `activations` would store of a text taken as one sentence: [layers, neurons of the site].

    aggregate, special_tokens: as in the job's settings. A text longer than the model's window is truncated.
    UsageError for one of fewer than 3 tokens, which the job leaves out.
    """
    values: list[Tensor] = []
    over_tokens = aggregate_named(aggregate, model.tokenizer.cls_token_id is not None)
    for batch in batches(model, [0], [text], 1, special_tokens, Tally(1)):

        def take(site: str, layer: int, activations: Tensor, counted: Tensor = batch.counted) -> None:
            values.append(over_tokens(activations, counted)[0][0].cpu())

        with capture(model, [site], take):
            forward(model, batch.input_ids, batch.attention_mask)
    if not values:
        raise UsageError(f"a text of fewer than {MIN_TOKENS} tokens counts nowhere in a warehouse: write a longer one")
    found: NDArray[np.float32] = torch.stack(values).numpy()
    return found
