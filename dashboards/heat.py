"""Activations at the tokens of shown sentences: the model runs when a page asks, once per sentence and neuron."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards.markup import TokenValue
from warehouse import Warehouse
from warehouse.cli.live import token_activations
from warehouse.neurons import Neuron


def token_values(warehouse: Warehouse, neuron: Neuron, texts: Sequence[str]) -> list[list[TokenValue]]:
    """Return a neuron's activation at every token of each text, special tokens left out.

    Raises what loading the model raises: NwhError, or any error of torch.
    """
    return [_of_text(warehouse, warehouse.storage.uri, neuron, text) for text in texts]


@st.cache_data(max_entries=10_000, show_spinner=False)
def _of_text(_warehouse: Warehouse, uri: str, neuron: Neuron, text: str) -> list[TokenValue]:
    found = token_activations(_warehouse, neuron, [text])[0]
    return [
        (start, end, value)
        for (start, end), special, value in zip(found.spans, found.special, found.activations, strict=True)
        if end > start and not special
    ]
