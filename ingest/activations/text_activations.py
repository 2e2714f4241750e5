"""Activations of one neuron at every token of a few texts, and of all neurons of a site on one text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.activations.aggregates import aggregate_named
from nwh.ingest.activations.batches import MIN_TOKENS, groups, padded
from nwh.ingest.models import LoadedModel, capture, forward
from nwh.ingest.models.tokens import encode
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron

_TOKENS = 2048
"""Tokens that the model reads at once, padding included."""


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


class _Read(Exception):
    """Ends a forward pass at the layer that was wanted: what comes after it would be computed for nothing."""


def activations_at_tokens(model: LoadedModel, neuron: Neuron, texts: Sequence[str]) -> list[TokenActivations]:
    """Run the model over texts, each as if by itself; UsageError for a layer or neuron that it does not have."""
    found = layer_activations(model, neuron.site, neuron.layer, texts, [[neuron.neuron]] * len(texts))
    return [of_neuron for (of_neuron,) in found]


def layer_activations(
    model: LoadedModel, site: str, layer: int, texts: Sequence[str], neurons: Sequence[Sequence[int]]
) -> list[list[TokenActivations]]:
    """Run the model over texts, and return for each of them the activations of its own list of a layer's neurons.

    UsageError for a layer or neuron that the model does not have.
    """
    row = model.checkpoint
    width = row.d_ffn if site == "ffn" else row.d_model
    highest = max((max(some, default=0) for some in neurons), default=0)
    if layer >= row.n_layers or highest >= width:
        raise UsageError(
            f"no neuron {row.model}@{row.checkpoint}/{site}/{layer}/{highest}: {row.model} has layers 0 to "
            f"{row.n_layers - 1} with neurons 0 to {width - 1} at {site}"
        )
    if not texts:
        return []
    encoded = encode(model, texts, model.window, return_offsets_mapping=True)
    ids: list[list[int]] = encoded["input_ids"]
    values: list[list[list[float]]] = [[[] for _ in some] for some in neurons]
    order = sorted((i for i in range(len(ids)) if ids[i]), key=lambda i: len(ids[i]))
    for group in groups([len(ids[i]) for i in order], _TOKENS):
        members = [order[place] for place in group]

        def take(site: str, layer: int, activations: Tensor, members: list[int] = members) -> None:
            for i, of_text in zip(members, activations, strict=True):  # [tokens, neurons]
                values[i] = of_text[: len(ids[i]), list(neurons[i])].T.float().tolist()
            raise _Read

        with suppress(_Read), capture(model, [site], take, layers=[layer]):
            forward(model, *padded(model, [ids[i] for i in members]))
    return [
        [
            TokenActivations(
                model.tokenizer.convert_ids_to_tokens(of_text),
                [tuple(span) for span in spans],
                [bool(flag) for flag in special],
                of_neuron,
            )
            for of_neuron in of_neurons
        ]
        for of_text, spans, special, of_neurons in zip(
            ids, encoded["offset_mapping"], encoded["special_tokens_mask"], values, strict=True
        )
    ]


@dataclass(frozen=True)
class WholeText:
    """All neurons of a site on a text taken as one sentence.

    activations [layers, neurons]: as job `activations` would store them. highest, lowest [layers, neurons]: the token,
    by its place in `spans`, at which each neuron is highest, lowest. spans: start and end, in the text's characters, of
    the tokens that count; empty for special ones. stored: whether the job would keep such a sentence, of at least 3
    tokens.
    """

    activations: NDArray[np.float32]
    highest: NDArray[np.int64]
    lowest: NDArray[np.int64]
    spans: list[tuple[int, int]]
    stored: bool


def activations_of_text(
    model: LoadedModel, site: str, text: str, aggregate: str = "mean", special_tokens: bool = False
) -> WholeText:
    """Run the model over a text as one sentence; what is longer than the model's window is not read.

    aggregate, special_tokens: as in the job's settings. UsageError for a text without a token that counts.
    """
    encoded = encode(model, [text], model.window, return_offsets_mapping=True)
    special = [bool(flag) for flag in encoded["special_tokens_mask"][0]]
    places = [i for i, flag in enumerate(special) if special_tokens or not flag]
    if not places:
        raise UsageError("this text has no token that counts: write a word")
    counted = torch.zeros(1, len(special), dtype=torch.bool, device=model.device)
    counted[0, places] = True
    over_tokens = aggregate_named(aggregate, model.tokenizer.cls_token_id is not None)
    of_layers: list[tuple[Tensor, ...]] = []

    def take(site: str, layer: int, activations: Tensor) -> None:
        inside = activations[0, places]  # [tokens that count, neurons]
        found = over_tokens(activations, counted)[0][0], inside.argmax(0), inside.argmin(0)
        of_layers.append(tuple(each.cpu() for each in found))

    with capture(model, [site], take):
        forward(model, *padded(model, [encoded["input_ids"][0]]))
    activations, highest, lowest = (torch.stack(each).numpy() for each in zip(*of_layers, strict=True))
    spans = [tuple(encoded["offset_mapping"][0][i]) for i in places]
    return WholeText(activations, highest, lowest, spans, special.count(False) >= MIN_TOKENS)
