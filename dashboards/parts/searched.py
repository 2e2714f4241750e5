"""The neuron page's line on what was searched for and led to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.html import markup
from nwh.dashboards.html.markup import code_span
from nwh.warehouse import Warehouse, queries


def show(
    warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], go: Callable[[NeuronAddress], None]
) -> None:
    """Say how the neuron's top sentences have what was searched for; go: shows the page without it."""
    if not chosen.find:
        return
    kind, value = chosen.found
    found = session.ask(warehouse, queries.searched.searched, chosen.neuron, tuple(corpora), kind, value)
    with st.container(horizontal=True, vertical_alignment="center", key="searched"):
        lines = []
        for row in found.records:
            area = f", AUROC {markup.auroc(row)}" if row["auroc"] is not None else ""
            told = markup.generalises(row)
            lines.append(
                f"{row['support']:,} of {row['k']:,} top sentences ({row['share']:.0%}; corpus "
                f"{row['corpus_share']:.1%}), {row['recall']:.0%} of all with it{area}"
                + (f"; of the half that did not choose it {told}" if told else "")
                + (f" ({code_span(row['scope'])})" if len(found.rows) > 1 else "")
            )
        told = "; ".join(lines) or "its top sentences do not have it often enough for it to be stored"
        st.markdown(f"Searched for {code_span(value)}: {told}", width="content")
        st.button("Forget", help="Leave what was searched for out", on_click=go, args=(replace(chosen, find=""),))
