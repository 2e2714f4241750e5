"""The neuron page's line on what was searched for and led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    parts = queries.any_word.alternatives(value) if kind == "word" else [value]
    lines = [line for part in parts for line in _lines(warehouse, chosen, corpora, kind, part)]
    with st.container(horizontal=True, vertical_alignment="center", key="searched"):
        st.markdown(f"Searched for {'; '.join(lines)}", width="content")
        st.button("Forget", help="Leave what was searched for out", on_click=go, args=(replace(chosen, find=""),))


def _lines(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], kind: str, value: str) -> Iterator[str]:
    found = session.ask(warehouse, queries.neurons.searched, chosen.neuron, tuple(corpora), kind, value)
    if not found.rows:
        yield f"{code_span(value)}: not often enough in its top sentences to be stored"
    for row in found.records:
        scope = f" ({code_span(row['scope'])})" if len(found.rows) > 1 else ""
        area = f", AUROC {markup.auroc(row)}" if row["auroc"] is not None else ""
        told = markup.generalises(row)
        yield (
            f"{code_span(value)}{scope}: {row['support']:,} of {row['k']:,} top sentences ({row['share']:.0%}; corpus "
            f"{row['corpus_share']:.1%}), {row['recall']:.0%} of all with it{area}"
            + (f"; of the half that did not choose it {told}" if told else "")
        )
