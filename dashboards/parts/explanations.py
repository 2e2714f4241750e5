"""The neuron page's place for explanations that are stored: what somebody or something says a neuron does."""

from __future__ import annotations

from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron

_SHOWN = 5


def show(warehouse: Warehouse, neuron: Neuron) -> None:
    """Show the explanations of a neuron, those that tell its sentences best first; nothing where there are none."""
    if not warehouse.snapshot.get("explanations"):
        return
    found = session.ask(warehouse, queries.neurons.explanations, neuron)
    for row in found.records[:_SHOWN]:
        st.markdown(
            f"{markup.code_span(row['explanation'])} ({', '.join([markup.code_span(row['source']), *_scores(row)])})"
        )
    if found.rows:
        exhibits.source(found, "Explanations")


def _scores(row: dict[str, Any]) -> list[str]:
    """Say how well an explanation tells the neuron's sentences, as far as that is known."""
    scores = []
    if row["auroc"] is not None:
        beside = "" if row["control_auroc"] is None else f", another neuron's {row['control_auroc']:.2f}"
        scores.append(f"AUROC of a judge who knows it alone {row['auroc']:.2f}{beside}")
    if row["published_score"] is not None:
        scores.append(f"published score {row['published_score']:.2f}")
    return scores
