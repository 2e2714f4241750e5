"""What the pages across neurons share: choices as an address and back, links to neurons, clicks in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboards import choice, neuron
from dashboards.across_charts import PICKED
from dashboards.knowledge import nwh
from dashboards.markup import literal
from warehouse import Warehouse
from warehouse.neurons import Neuron

_MOVED = "choices moved"
_NAMED = 20


class Choices:
    """Choices made one after another: each is read from the address and drawn as a select box.

    What the address names and is not there is a problem. Once a box was changed, later choices that no longer fit
    move to what is there, and all of them are written to the address.
    """

    def __init__(self) -> None:
        """Start without any choice."""
        self.made: dict[str, str] = {}
        self.problems: list[str] = []
        self._moved = bool(st.session_state.pop(_MOVED, False))

    def one_of(self, name: str, label: str, there: Sequence[str], default: str | None = None, width: int = 200) -> str:
        """Return the choice of this name: what the address says, else the default, else the first there is."""
        value = st.query_params.get(name, "")
        if value not in there:
            if name in st.query_params and not self._moved:
                shown = ", ".join(map(literal, there[:_NAMED]))
                more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
                self.problems.append(f"{name} {literal(value)} is not here: there is {shown}{more}")
            value = there[0] if default is None else default
        self.made[name] = value
        st.session_state[name] = value
        st.selectbox(label, there, key=name, width=width, on_change=_change, args=(name,))
        return value

    def fit(self) -> bool:
        """Return whether what was chosen can be shown; where the address is wrong, say so and how to go on."""
        if self.problems:
            st.error(
                "This address names what this warehouse does not have.\n\n" + "\n".join(f"- {p}" for p in self.problems)
            )
            st.button("Show what is there instead", on_click=st.query_params.from_dict, args=(self.made,))
            return False
        if self._moved:
            st.query_params.from_dict(self.made)
        return True


def _change(name: str) -> None:
    st.query_params[name] = st.session_state[name]
    st.session_state[_MOVED] = True


def commands(warehouse: Warehouse, *steps: str) -> None:
    """Show the commands that fill a page or a part of it."""
    st.code("\n".join(f"{nwh(warehouse)} {step}" for step in steps), language="bash", wrap_lines=True)


def at(label: str) -> tuple[str, str]:
    """Return model and checkpoint of MODEL@CHECKPOINT."""
    model, _, checkpoint = label.rpartition("@")
    return model, checkpoint


# -- neurons -----------------------------------------------------------------------------------------------


def draw_to_pick(chart: Any, key: str, alt: str) -> None:
    """Draw a chart whose marks are neurons: a click puts `neuron=LAYER/NEURON` into the address."""

    def picked() -> None:
        points = st.session_state[key].selection.get(PICKED)
        if points:
            st.query_params["neuron"] = f"{int(points[0]['layer'])}/{int(points[0]['neuron'])}"
            st.query_params.pop("cluster", None)  # the neuron's own is shown
        else:
            st.query_params.pop("neuron", None)

    st.altair_chart(chart, key=key, on_select=picked, alt=alt)


def picked_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row (layer, neuron, …) of the neuron that the address names."""
    name = st.query_params.get("neuron")
    return next((row for row in rows if f"{row['layer']}/{row['neuron']}" == name), None)


def link_to(place: Neuron, about: str) -> None:
    """Link to the page of the picked neuron; about: what the picture says of it."""
    page = st.Page(neuron.page, title="Neuron", url_path="neuron")
    label = f"Open {literal(str(place))}: {literal(about)}"
    st.page_link(page, label=label, query_params=choice.Choice(place).address)


def show_how_to_pick(n_neurons: int) -> None:
    """Say how to pick a neuron, or that the picture does not have the one that the address names."""
    if name := st.query_params.get("neuron"):
        st.caption(f"Neuron {literal(name)} is not in this picture; click on one of its {n_neurons:,} neurons.")
    else:
        st.caption("Click on a neuron to have a link to its page.")
