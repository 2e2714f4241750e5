"""Links from rows of neurons to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron

COLUMN = st.column_config.LinkColumn("page", display_text="open")
"""How the addresses that `add` makes are shown in a table."""


def add(
    warehouse: Warehouse, rows: Sequence[dict[str, Any]], model: str, checkpoint: str, site: str, name: str = "page"
) -> list[Neuron]:
    """Add to rows (layer, neuron, …) the address of each neuron's page as `name`; return the neurons.

    Null, and no neurons, where the checkpoint has no pages of neurons at this site.
    """
    known = queries.knowledge.extents_with_prompts(warehouse, session.ask)
    here = any((each.model, each.checkpoint, each.site) == (model, checkpoint, site) for each in known)
    places = [Neuron(model, checkpoint, site, row["layer"], row["neuron"]) for row in rows] if here else []
    for i, row in enumerate(rows):
        row[name] = NeuronAddress(places[i]).link if here else None
    return places
