"""What the pages across neurons share: choices as an address and back, clicks in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from nwh.dashboards.charts.layer_charts import PICKED
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.parts import exhibits, notices
from nwh.warehouse.queries.answers import Answer

_MOVED = "choices moved"
_NAMED = 20
_BOX = "picked neuron"


class PageChoices:
    """PageChoices made one after another: each is read from the address and drawn as a select box.

    What the address names and is not there is a problem. Once a box was changed, later choices that no longer fit
    move to what is there, and all of them are written to the address.
    """

    def __init__(self) -> None:
        """Start without any neuron_address."""
        self.made: dict[str, str] = {}
        self.problems: list[str] = []
        self._moved = bool(st.session_state.pop(_MOVED, False))

    def one_of(self, name: str, label: str, there: Sequence[str], default: str | None = None, width: int = 200) -> str:
        """Return the choice of this name: what the address says, else the default, else the first there is."""
        value = st.query_params.get(name, "")
        if value not in there:
            if name in st.query_params and not self._moved:
                shown = ", ".join(map(code_span, there[:_NAMED]))
                more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
                self.problems.append(f"{name} {code_span(value)} is not here: there is {shown}{more}")
            value = there[0] if default is None else default
        self.made[name] = value
        st.session_state[name] = value
        st.selectbox(label, there, key=name, width=width, on_change=_change, args=(name,))
        return value

    def fit(self) -> bool:
        """Return whether what was chosen can be shown; where the address is wrong, say so and how to go on."""
        if self.problems:
            notices.wrong_address(self.problems, "Show what is there instead", st.query_params.from_dict, self.made)
            return False
        if self._moved:
            st.query_params.from_dict(self.made)
        return True


def _change(name: str) -> None:
    st.query_params[name] = st.session_state[name]
    st.session_state[_MOVED] = True


# -- neurons -----------------------------------------------------------------------------------------------


def draw_to_pick(picture: alt.Chart, answer: Answer, key: str, about: str, finding: str = "") -> None:
    """Draw a chart whose marks are neurons: a click puts `neuron=LAYER/NEURON` into the address."""

    def clicked() -> None:
        points = st.session_state[key].selection.get(PICKED)
        _name(f"{int(points[0]['layer'])}/{int(points[0]['neuron'])}" if points else "")

    exhibits.draw(picture, about, finding, key=key, on_select=clicked)
    exhibits.source(answer, about, picture)


def pick(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row (layer, neuron, …) of the neuron that the address names; draw a box that does without clicks."""
    name = st.query_params.get("neuron", "")
    st.session_state[_BOX] = name
    st.text_input("Neuron", key=_BOX, placeholder="LAYER/NEURON", width=160, on_change=_named)
    found = picked_row(rows)
    if name and found is None:
        st.caption(f"Neuron {code_span(name)} is not in this picture; it has {len(rows):,} neurons.")
    elif found is None:
        st.caption("Click on a neuron, or name it here, to have a link to its page.")
    return found


def picked_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of the neuron that the address names."""
    name = st.query_params.get("neuron")
    return next((row for row in rows if f"{row['layer']}/{row['neuron']}" == name), None)


def _named() -> None:
    _name(st.session_state[_BOX].strip().replace("_", "/"))


def _name(neuron: str) -> None:
    st.query_params.pop("neuron", None)
    if neuron:
        st.query_params["neuron"] = neuron
        st.query_params.pop("cluster", None)  # the neuron's own is shown
