"""The neuron page's part to try a text of one's own: activation per token, and where the whole stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import MAX_TEXT
from nwh.dashboards.charts import neuron_charts
from nwh.dashboards.html import markup
from nwh.dashboards.html.templates import number
from nwh.dashboards.parts import exhibits, notices, token_values
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent


def box(on_change: Callable[..., None], args: tuple[object, ...]) -> None:
    """Draw the box to write into; its text is in `st.session_state.text`."""
    st.markdown("## Try your own text")
    st.text_area(
        "Text",
        key="text",
        max_chars=MAX_TEXT,
        height=90,
        placeholder="Write a sentence; Ctrl+Enter runs the model over it.",
        help="The text becomes part of this page's address. It is not stored.",
        on_change=on_change,
        args=args,
    )


def show(warehouse: Warehouse, neuron: Neuron, extent: Extent, text: str) -> None:
    """Show the neuron's activation at each token of a text, and the whole text's beside those of the corpora."""
    if not text.strip():
        return
    try:
        with st.spinner("Running the model over your text"):
            tokens = token_values.token_values(warehouse, neuron, [text])[0]
    except Exception as error:  # whatever torch, transformers or a hub says
        st.warning(f"The model cannot be run over this text: {notices.reason(error)}")
        return
    scale = max((abs(value) for _, _, value in tokens), default=0.0)
    st.html(f'<p class="nwh-text" dir="auto">{markup.heat_map(text, tokens, scale)}</p>{markup.colour_scale(scale)}')
    if cut := token_values.not_read(text, [(start, end) for start, end, _ in tokens]):
        st.caption(cut)
    if not extent.corpora:
        st.caption("The model was run over no corpus, so the text has no standing among sentences.")
        return
    try:
        how = queries.search.aggregation(warehouse, extent)
        whole = token_values.text_values(warehouse, extent, text, how)
    except UsageError as error:
        st.caption(f"It has no standing among the sentences of the corpora: {notices.reason(error)}")
        return
    if not whole.stored:
        st.caption("It has no standing among the sentences of the corpora: those of fewer than 3 tokens are left out.")
        return
    activation = float(whole.activations[neuron.layer, neuron.neuron])
    _beside(warehouse, neuron, how.corpora, activation, how.aggregate)


def _beside(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], activation: float, aggregate: str) -> None:
    found = session.ask(warehouse, queries.neurons.percentile_of, neuron, corpora, activation)
    st.caption(
        f"As one sentence ({aggregate} over its tokens): activation {number(activation)}. "
        "Where that stands among the sentences of each corpus:"
    )
    rows = [
        (row["corpus"], [f"{row['share_below']:.1%}", "" if row["z"] is None else f"{row['z']:+.2f}"])
        for row in found.records
    ]
    st.html(markup.table(["corpus", "sentences below", "z"], rows))
    exhibits.source(found, "Your text beside the corpora")
    bins = session.ask(warehouse, queries.neurons.histogram, neuron, corpora)
    domain = neuron_charts.extent(bins.records)
    for corpus in corpora:
        of_corpus, title = bins.part("corpus", corpus), f"Your text among the sentences of {corpus}"
        exhibits.chart(neuron_charts.marked_histogram(of_corpus.records, title, domain, activation), of_corpus, title)
