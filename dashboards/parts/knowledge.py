"""What the user chose on the pages of knowledge neurons, as an address and back, and the widgets for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.parts import notices
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.knowledge import Series

MIN_T = 0.05
_FILL = (
    "ingest attributions --model MODEL --checkpoint all --dataset NAME",
    "ingest interventions --model MODEL --checkpoint all --dataset NAME",
)


@dataclass(frozen=True)
class KnowledgeAddress:
    """A concept of a data set, a checkpoint of a model, and how its neurons are selected and were changed.

    operation: empty where there are no interventions. frequency: source of it, empty where there is none. t, p:
    thresholds of the selection.
    """

    model: str
    dataset: str
    concept: str
    checkpoint: str
    operation: str = ""
    t: float = 0.2
    p: float = 0.5
    frequency: str = ""

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that `read` makes this choice of."""
        names = ("model", "dataset", "concept", "checkpoint", "operation", "frequency")
        text = {name: getattr(self, name) for name in names if getattr(self, name)}
        return text | {name: f"{getattr(self, name):g}" for name in ("t", "p") if _changed(self, name)}

    @property
    def link(self) -> str:
        """The same as a link to the concept page, relative: it holds below whatever path a proxy serves pages at."""
        return f"concept?{urlencode(self.address)}"


def _changed(choice: KnowledgeAddress, name: str) -> bool:
    return bool(getattr(choice, name) != getattr(KnowledgeAddress, name))


def series_of(known: Sequence[Series], model: str, dataset: str) -> Series:
    """Return a model's series on a data set, or else its fullest."""
    of_model = [series for series in known if series.model == model]
    return next((series for series in of_model if series.dataset == dataset), fullest(of_model))


def fullest(known: Sequence[Series]) -> Series:
    """Return the series with most to show: with interventions, of most checkpoints, of most concepts."""
    return max(known, key=lambda each: (bool(each.operations), len(each.checkpoints), len(each.concepts)))


def within(series: Series, choice: KnowledgeAddress) -> KnowledgeAddress:
    """Return a choice moved to what a series has.

    Else its first concept, its last checkpoint, suppression, and the frequencies that came with the prompts.
    """

    def one_of(there: Sequence[str], value: str, default: str) -> str:
        return value if value in there else default

    return replace(
        choice,
        model=series.model,
        dataset=series.dataset,
        concept=one_of(series.concepts, choice.concept, series.concepts[0]),
        checkpoint=one_of(series.checkpoints, choice.checkpoint, series.checkpoints[-1]),
        operation=one_of(series.operations, choice.operation, next(iter(series.operations), "")),
        frequency=one_of(series.sources, choice.frequency, next(iter(series.sources), "")),
    )


def read(address: Mapping[str, str], known: Sequence[Series]) -> tuple[KnowledgeAddress, list[str]]:
    """Return the choice of an address, and what is wrong with the address, in Markdown."""
    problems: list[str] = []

    def wrong(name: str, allowed: str) -> None:
        problems.append(f"{name} {code_span(address[name])} is not here: {allowed}")

    def one_of(name: str, there: Sequence[str], where: str) -> str:
        value = address.get(name, "")
        if name in address and value not in there:
            shown = ", ".join(map(code_span, there[:20])) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
            wrong(name, f"{where} {shown or 'none'}")
        return value

    def share(name: str, default: float, low: float) -> float:
        text = address.get(name, str(default))
        if re.fullmatch(r"[01]?\.?[0-9]{1,6}", text) and low <= float(text) <= 1:
            return float(text)
        wrong(name, f"it is a number from {low:g} to 1")
        return default

    model = one_of("model", [series.model for series in known], "there is")
    if model not in {series.model for series in known}:
        model = fullest(known).model
    of_model = [series.dataset for series in known if series.model == model]
    dataset = one_of("dataset", of_model, f"{code_span(model)} was run on")
    series = series_of(known, model, dataset)
    concept = one_of("concept", series.concepts, f"{code_span(series.dataset)} has")
    checkpoint = one_of("checkpoint", series.checkpoints, "there is")
    operation = one_of("operation", series.operations, "there is")
    frequency = one_of("frequency", series.sources, "there is")
    t, p = share("t", KnowledgeAddress.t, MIN_T), share("p", KnowledgeAddress.p, 0)
    return within(series, KnowledgeAddress(model, dataset, concept, checkpoint, operation, t, p, frequency)), problems


# -- widgets -----------------------------------------------------------------------------------------------


def choose(warehouse: Warehouse, extra: Sequence[str]) -> tuple[KnowledgeAddress, Series] | None:
    """Draw the widgets as the address says; return the choice, or null where nothing can be shown (and say why).

    extra: widgets beside model, data set, concept and checkpoint: `thresholds`, `operation`, `frequency`.
    """
    known = session.ask(warehouse, queries.knowledge.all_series)
    if not known:
        notices.empty(warehouse, "no attributions", *_FILL, first=["prompts"])
        return None
    chosen, problems = read(st.query_params, known)
    series = series_of(known, chosen.model, chosen.dataset)
    if "concept" not in st.query_params:
        best = session.ask(warehouse, queries.knowledge.best_known, chosen.model, chosen.dataset, chosen.checkpoint)
        chosen = replace(chosen, concept=best.rows[0][0] if best.rows else chosen.concept)
    _controls(chosen, series, known, extra)
    if not problems:
        return chosen, series
    notices.wrong_address(problems, f"Show {code_span(chosen.concept)} instead", _go, chosen)
    return None


def _controls(chosen: KnowledgeAddress, series: Series, known: Sequence[Series], extra: Sequence[str]) -> None:
    st.session_state.update(vars(chosen))
    changed: dict[str, Any] = {"on_change": _widget_changed, "args": (known, chosen)}
    datasets = [other.dataset for other in known if other.model == chosen.model]
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        st.selectbox("Model", list(dict.fromkeys(s.model for s in known)), key="model", width=210, **changed)
        st.selectbox("Data set", datasets, key="dataset", width=170, **changed)
        st.selectbox("Concept", series.concepts, key="concept", width=170, **changed)
        st.selectbox("Checkpoint", series.checkpoints, key="checkpoint", width=140, **changed)
        if "operation" in extra and series.operations:
            st.selectbox("Operation", series.operations, key="operation", width=140, **changed)
        if "frequency" in extra and len(series.sources) > 1:
            st.selectbox("Frequency", series.sources, key="frequency", width=170, **changed)
        if "thresholds" in extra:
            help_t = "A prompt selects the neurons that reach this share of its highest attribution"
            help_p = "The concept keeps the neurons that this share of its prompts selects"
            st.slider("Threshold t", MIN_T, 1.0, step=0.05, key="t", width=160, help=help_t, **changed)
            st.slider("Threshold p", 0.0, 1.0, step=0.05, key="p", width=160, help=help_p, **changed)


def _widget_changed(known: Sequence[Series], before: KnowledgeAddress) -> None:
    state = st.session_state
    chosen = replace(before, **{name: state[name] for name in vars(before) if name in state})
    _go(within(series_of(known, chosen.model, chosen.dataset), chosen))


def _go(chosen: KnowledgeAddress) -> None:
    st.query_params.from_dict(chosen.address)
