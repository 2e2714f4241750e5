"""Activations on texts: the model runs when a page asks, once per text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboards.markup import TokenValue
from warehouse import Warehouse
from warehouse.cli import live
from warehouse.neuron_queries import Extent
from warehouse.neurons import Neuron
from warehouse.search_queries import Aggregation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def token_values(warehouse: Warehouse, neuron: Neuron, texts: Sequence[str]) -> list[list[TokenValue]]:
    """Return a neuron's activation at every token of each text, special tokens left out.

    Raises what loading the model raises: NwhError, or any error of torch.
    """
    return [_of_text(warehouse, warehouse.storage.uri, neuron, text) for text in texts]


def text_values(warehouse: Warehouse, extent: Extent, text: str, how: Aggregation) -> NDArray[np.float32]:
    """Return the activation of every neuron of an extent, [layers, neurons], on a text taken as one sentence.

    Raises what loading the model raises, and UsageError for a text of fewer than 3 tokens.
    """
    return _of_whole_text(warehouse, warehouse.storage.uri, extent, text, how)


@st.cache_data(max_entries=10_000, show_spinner=False)
def _of_text(_warehouse: Warehouse, uri: str, neuron: Neuron, text: str) -> list[TokenValue]:
    found = live.token_activations(_warehouse, neuron, [text])[0]
    return [
        (start, end, value)
        for (start, end), special, value in zip(found.spans, found.special, found.activations, strict=True)
        if end > start and not special
    ]


@st.cache_data(max_entries=100, show_spinner=False)
def _of_whole_text(_warehouse: Warehouse, uri: str, extent: Extent, text: str, how: Aggregation) -> NDArray[np.float32]:
    return live.text_activations(
        _warehouse, extent.model, extent.checkpoint, extent.site, text, how.aggregate, how.special_tokens
    )
