"""The neuron page's sentences: of both poles, of every strength, at random; near-duplicates folded, with context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.html import markup
from nwh.dashboards.html.markup import TokenValue
from nwh.dashboards.html.templates import number
from nwh.dashboards.parts import exhibits, notices, token_values
from nwh.dashboards.parts.near_duplicates import fold
from nwh.warehouse import Warehouse, queries

POLES = {"top": "highest", "bottom": "lowest"}
_LOOKED_AT = 4
"""Sentences asked for per sentence shown, for near-duplicates to be folded into; as many times more until enough."""
_PER_INTERVAL = 5
_WEAK = 0.2
"""A pole is folded whose strongest activation is below this share of the other's."""


@dataclass(frozen=True)
class Shown:
    """A list of sentences and its place on the page, to be drawn again with a heat map."""

    slot: Any
    sentences: list[dict[str, Any]]


def first_asked(chosen: NeuronAddress, corpora: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return what `poles` asks first, with the arguments, in its order."""
    place, asked = (chosen.neuron, tuple(corpora)), _LOOKED_AT * chosen.k
    return [
        (queries.neurons.statistics, *place),
        *((queries.neurons.sentences, *place, pole, asked) for pole in POLES),
    ]


def poles(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str]) -> list[Shown]:
    """Show the sentences of highest and of lowest activation."""
    lists = []
    for pole, extreme in POLES.items():
        with _place(warehouse, chosen, corpora, pole):
            lists.append(_pole(warehouse, chosen, corpora, pole, extreme))
    return lists


def _place(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], pole: str) -> Any:
    """Return where a pole's sentences go: folded where they hardly move the neuron beside those of the other pole."""
    found = session.ask(warehouse, queries.neurons.statistics, chosen.neuron, tuple(corpora)).records
    reach = {"top": max(row["max"] for row in found), "bottom": min(row["min"] for row in found)}
    own, other = (abs(reach[name]) for name in ((pole, "bottom") if pole == "top" else (pole, "top")))
    if own >= _WEAK * other:
        return st.container()
    return st.expander(f"{pole.capitalize()} sentences: no further from 0 than {number(reach[pole])}")


def _pole(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], pole: str, extreme: str) -> Shown:
    asked = _LOOKED_AT * chosen.k
    while True:
        found = session.ask(warehouse, queries.neurons.sentences, chosen.neuron, tuple(corpora), pole, asked)
        shown = fold(found.records)[: chosen.k]
        if len(shown) == chosen.k or len(found.rows) < asked:
            break
        asked *= _LOOKED_AT
    title = f"{pole.capitalize()} sentences"
    st.markdown(f"## {title}")
    folded = sum(len(row["same"]) for row in shown)
    st.caption(
        f"{len(shown)} sentences of {extreme} activation over {', '.join(map(markup.code_span, corpora))}"
        + (f"; {folded} more of nearly the same text are folded" if folded else "")
    )
    drawn = _show(warehouse, chosen, corpora, shown)
    exhibits.source(found, title)
    return drawn


@st.fragment
def by_quantile(
    warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], of_poles: Sequence[Shown]
) -> list[Shown]:
    """Show sentences between quantiles of the neuron's activation, or random ones, from the stored sample.

    Those of one tab, the others when they are opened; in the colours of `of_poles` where the model has run.
    """
    st.markdown("## Sentences of every strength")
    k = min(chosen.k, _PER_INTERVAL)
    found = session.ask(warehouse, queries.samples.by_quantile, chosen.neuron, tuple(corpora), k)
    rows = found.records
    if not rows:
        st.caption(
            "No sentences of these corpora were sampled for this model: `nwh ingest activations --sample 1000` keeps "
            "some of every strength. Those that an earlier version sampled are shown after `nwh ingest profiles`."
        )
        return []
    (whole,) = {row["n"] for row in rows if (row["low"], row["high"]) == queries.samples.RANDOM}
    st.caption(
        f"Drawn from {whole:,} sampled sentences, by quantiles of the neuron's activation over them "
        "(0.99 to 1: the hundredth that activates it most)."
    )
    intervals = [
        (low, high, list(drawn)) for (low, high), drawn in groupby(rows, key=lambda row: (row["low"], row["high"]))
    ]
    lists = []
    names = [
        "Random" if (low, high) == queries.samples.RANDOM else f"{low:g} to {high:g}" for low, high, _ in intervals
    ]
    tabs = st.tabs(names, key="strength", on_change="rerun")
    for tab, (_, _, drawn) in zip(tabs, intervals, strict=True):
        if tab.open:
            with tab:
                lowest, highest = number(drawn[0]["lowest"]), number(drawn[0]["highest"])
                st.caption(f"{len(drawn)} of {drawn[0]['n']:,} sentences, activations from {lowest} to {highest}")
                lists.append(_show(warehouse, chosen, corpora, fold(drawn)))
    exhibits.source(found, "Sentences of every strength")
    if chosen.tokens and token_values.has_run(warehouse, chosen.neuron):
        try:
            heat_maps(warehouse, chosen, lists, of_poles)
        except Exception as error:  # those of the poles may be kept, which says nothing of these
            st.warning(notices.no_tokens(error))
    return lists


def heat_maps(
    warehouse: Warehouse, chosen: NeuronAddress, lists: Sequence[Shown], of_colours: Sequence[Shown]
) -> float:
    """Replace lists by their heat maps; return the strongest activation of `of_colours`, which sets the colours.

    Raises what running the model raises.
    """

    def values(lists: Sequence[Shown]) -> list[list[TokenValue]]:
        texts = [sentence["text"] for shown in lists for sentence in shown.sentences]
        return token_values.token_values(warehouse, chosen.neuron, texts)

    own = values(of_colours)
    scale = max((abs(value) for tokens in own for _, _, value in tokens), default=0.0)
    rest = iter(own if lists is of_colours else values(lists))
    for shown in lists:
        of_texts = list(islice(rest, len(shown.sentences)))
        shown.slot.html(markup.sentence_list(shown.sentences, of_texts, scale, chosen.words))
    return scale


def _show(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], found: list[dict[str, Any]]) -> Shown:
    if chosen.context:
        ids = tuple(row["sentence_id"] for row in found)
        around = session.ask(warehouse, queries.neurons.context, tuple(corpora), ids).records
        texts = {(row["sentence_id"], row["side"]): row["text"] for row in around}
        for row in found:
            row |= {side: texts.get((row["sentence_id"], side)) for side in ("before", "after")}
    if len(corpora) == 1:  # said once, above the list
        for row in (each for listed in found for each in (listed, *listed["same"])):
            row["corpus"] = ""
    slot = st.empty()
    slot.html(markup.sentence_list(found, words=chosen.words))
    return Shown(slot, found)
