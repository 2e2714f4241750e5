"""Activations on texts: the model runs when a page asks, once for the same texts."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from nwh.dashboards.html.markup import TokenValue
from nwh.ingest.activations import live_activations
from nwh.warehouse import Warehouse
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.queries.search import Aggregation

if TYPE_CHECKING:
    from nwh.ingest.activations.text_activations import WholeText

OF_TOKENS = {"mean": "mean over", "max": "highest of", "last": "last of", "cls": "first of"}
"""Aggregate -> what a sentence's activation is its tokens'."""
_ran: set[tuple[str, str, str]] = set()
"""Warehouse, model and checkpoint of models that have run."""


def token_values(warehouse: Warehouse, neuron: Neuron, texts: Sequence[str]) -> list[list[TokenValue]]:
    """Return a neuron's activation at every token of each text, special tokens left out.

    Raises what loading the model raises: NwhError, or any error of torch.
    """
    values = _of_texts(warehouse, warehouse.storage.uri, neuron, tuple(texts))
    if not has_run(warehouse, neuron):
        _ran.add((warehouse.storage.uri, neuron.model, neuron.checkpoint))
        # Streamlit looks for garbage after every run of a page: among what torch and transformers have made, which
        # stays, that takes a third of a second, in which no page is served.
        gc.freeze()
    return values


def not_read(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Say what of a text the model did not read, beyond its tokens' spans; empty where it read all."""
    left = len(text[max((end for _, end in spans), default=0) :].strip())
    return f"The model reads {len(spans):,} tokens at once: the last {left:,} characters were not read." if left else ""


def has_run(warehouse: Warehouse, neuron: Neuron) -> bool:
    """Return whether a neuron's model has run before, so that it is likely to be loaded still."""
    return (warehouse.storage.uri, neuron.model, neuron.checkpoint) in _ran


def text_values(warehouse: Warehouse, extent: Extent, text: str, how: Aggregation) -> WholeText:
    """Return the activation of every neuron of an extent on a text taken as one sentence.

    Raises what loading the model raises, and UsageError for a text without tokens.
    """
    return _of_whole_text(warehouse, warehouse.storage.uri, extent, text, how)


@st.cache_data(max_entries=500, show_spinner=False)
def _of_texts(_warehouse: Warehouse, uri: str, neuron: Neuron, texts: tuple[str, ...]) -> list[list[TokenValue]]:
    return [
        [
            (start, end, value)
            for (start, end), special, value in zip(found.spans, found.special, found.activations, strict=True)
            if end > start and not special
        ]
        for found in live_activations.token_activations(_warehouse, neuron, texts)
    ]


@st.cache_data(max_entries=100, show_spinner=False)
def _of_whole_text(_warehouse: Warehouse, uri: str, extent: Extent, text: str, how: Aggregation) -> WholeText:
    return live_activations.text_activations(
        _warehouse, extent.model, extent.checkpoint, extent.site, text, how.aggregate, how.special_tokens
    )
