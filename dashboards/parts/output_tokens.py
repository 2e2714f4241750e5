"""The neuron page's part on the tokens that a neuron's output weights raise and lower."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards.html import markup
from nwh.dashboards.html.templates import number
from nwh.dashboards.parts import exhibits, notices
from nwh.ingest.activations import live_activations
from nwh.warehouse import Warehouse
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer

_TOKENS = 10
_Tokens = list[tuple[str, float]]


def show(warehouse: Warehouse, neuron: Neuron) -> None:
    """Show top positive and negative output tokens of a neuron of site `ffn`, or say why there are none."""
    st.markdown("## Output tokens")
    try:
        with st.spinner("Reading the model's output weights"):
            positive, negative, normed, transformed = _of_neuron(warehouse, warehouse.storage.uri, neuron)
    except Exception as error:  # whatever torch, transformers or a hub says
        st.caption(f"Not shown: {notices.reason(error)}")
        return
    st.caption(_about(normed, transformed))
    both = {"raised most": positive, "lowered most": negative}
    with st.container(horizontal=True):
        for title, found in both.items():
            rows = [(token.replace(" ", "\N{OPEN BOX}"), [number(value)]) for token, value in found]
            st.html(markup.table([title, "logit per unit"], rows), width=170)
    listed = [(title, *each) for title, found in both.items() for each in found]
    exhibits.source(Answer(["tokens", "token", "logit_per_unit"], listed), "Output tokens")


def _about(normed: bool, transformed: bool) -> str:
    about = (
        "The neuron's output weights through the unembedding: the change of each token's logit per unit of activation"
    )
    if normed:
        about += ", with the final norm's scale but without its division by the size of the residual stream"
    about += ", if no later layer answers it."
    if transformed:
        about += (
            " This masked model's head has a layer of its own before the unembedding; it is left out, so these are a "
            "hint, no more."
        )
    return f"{about} ␣ is a blank."


@st.cache_data(max_entries=1000, show_spinner=False)
def _of_neuron(_warehouse: Warehouse, uri: str, neuron: Neuron) -> tuple[_Tokens, _Tokens, bool, bool]:
    found = live_activations.output_tokens(_warehouse, neuron, _TOKENS)
    return found.positive, found.negative, found.normed, found.transformed
