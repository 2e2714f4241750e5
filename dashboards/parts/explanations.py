"""The neuron page's place for explanations that are stored: what somebody or something says a neuron does."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits
from nwh.warehouse import Warehouse
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer, ask

_SHOWN = 5


def show(warehouse: Warehouse, neuron: Neuron) -> None:
    """Show the explanations of a neuron in relation `explanations`, best score first; nothing where there are none."""
    if not warehouse.snapshot.get("explanations"):
        return
    found = session.ask(warehouse, _explanations, neuron)
    for row in found.records[:_SHOWN]:
        score = "" if row["score"] is None else f", score {row['score']:.2f}"
        st.markdown(f"{markup.code_span(row['explanation'])} ({markup.code_span(row['source'])}{score})")
    if found.rows:
        exhibits.source(found, "Explanations")


def _explanations(warehouse: Warehouse, neuron: Neuron) -> Answer:
    return ask(
        warehouse,
        "select explanation, source, score from explanations where model = $model and checkpoint = $checkpoint "
        "and site = $site and layer = $layer and neuron = $neuron order by score desc nulls last, source, explanation",
        **neuron.params,
    )
