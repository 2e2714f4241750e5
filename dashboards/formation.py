"""The formation page: how knowledge neurons form over training, all concepts of a data set together."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import streamlit as st

from dashboards import knowledge, knowledge_charts, opened
from dashboards.knowledge import Choice, rows
from dashboards.markup import literal
from warehouse import Warehouse, knowledge_queries
from warehouse.knowledge_queries import Series

_SHARED_NEURONS = 50


def page() -> None:
    """Show a data set over the checkpoints of a model."""
    st.title("Formation", anchor=False)
    st.markdown(
        "How knowledge neurons form over training: what changing them does at each checkpoint, how many there are and "
        "where, which concepts share them, since when they are there, and whether frequent words come first. "
        "Contributing neurons are those of view `knowledge_neurons`. What you choose is in the address."
    )
    warehouse = opened.warehouse()
    found = knowledge.choose(warehouse, ["operation"])
    if found is None:
        return
    chosen, series = found
    if len(series.checkpoints) == 1:
        st.caption("There is one checkpoint only; `nwh ingest attributions --checkpoint all` runs all of a model.")
    with st.spinner("Selecting neurons"):
        _changes(warehouse, chosen, series)
        _counts(warehouse, chosen, series)
        _sharing(warehouse, chosen)
        _stability(warehouse, chosen, series)
        _frequency(warehouse, chosen, series)


def _draw(chart: Any, alt: str) -> None:
    st.altair_chart(chart, alt=alt)


def _changes(warehouse: Warehouse, chosen: Choice, series: Series) -> None:
    st.markdown("#### Changing the contributing neurons")
    if not chosen.operation:
        command = f"ingest interventions --model MODEL --checkpoint all --dataset {chosen.dataset}"
        st.caption("There are no interventions on this data set yet. This command makes them:")
        st.code(f"{knowledge.nwh(warehouse)} {command}", language="bash", wrap_lines=True)
        return
    st.caption(
        "Tick: median over concepts. Bar: quartiles. Line: 5 % to 95 %. The axis is linear up to 100 %, logarithmic "
        "beyond. Prompts with a probability of 0 before have no relative change and are left out."
    )
    found = rows(warehouse, knowledge_queries.relative_change, chosen.model, chosen.dataset, chosen.operation)
    places = dict(zip(("positive", "negative"), st.columns(2, gap="large"), strict=True))
    for polarity, of_polarity in groupby(sorted(found, key=lambda row: row["polarity"]), lambda row: row["polarity"]):
        with places[polarity]:
            chart = knowledge_charts.change_distribution(
                list(of_polarity), series.checkpoints, polarity, chosen.operation
            )
            _draw(chart, f"Relative change by checkpoint, {polarity} prompts")


def _counts(warehouse: Warehouse, chosen: Choice, series: Series) -> None:
    st.markdown("#### How many, and where")
    place = (chosen.model, chosen.dataset)
    found = rows(warehouse, knowledge_queries.neurons_per_concept, *place)
    _draw(knowledge_charts.neurons_over_time(found, series.checkpoints), "Neurons per concept by checkpoint")
    left, right = st.columns(2, gap="large")
    with left:
        found = rows(warehouse, knowledge_queries.layers, *place)
        title, unit = "Contributing neurons by layer", "neurons per concept"
        _draw(knowledge_charts.layers_over_time(found, series.checkpoints, "per_concept", title, unit), title)
    with right:
        found = rows(warehouse, knowledge_queries.attributions, *place)
        title, unit = "Mean attribution of contributing neurons by layer", "attribution (probability)"
        if found:
            _draw(knowledge_charts.layers_over_time(found, series.checkpoints, "mean", title, unit), title)
        else:
            st.info("No concept has contributing neurons at any checkpoint.")


def _sharing(warehouse: Warehouse, chosen: Choice) -> None:
    st.markdown(f"#### Concepts per neuron at {literal(chosen.checkpoint)}")
    place = (chosen.model, chosen.dataset, chosen.checkpoint)
    found = rows(warehouse, knowledge_queries.sharing, *place)
    if not found:
        st.info("No neuron contributes to a concept at this checkpoint.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        _draw(knowledge_charts.sharing(found, chosen.checkpoint), "Neurons by number of concepts")
    with right:
        shared = rows(warehouse, knowledge_queries.shared_neurons, *place, _SHARED_NEURONS)
        if not shared:
            st.caption("No neuron contributes to more than one concept.")
            return
        st.caption(f"Neurons that contribute to most concepts, at most {_SHARED_NEURONS}")
        column = st.column_config.NumberColumn("number")
        st.dataframe(shared, hide_index=True, column_config={"n_concepts": column})


def _stability(warehouse: Warehouse, chosen: Choice, series: Series) -> None:
    st.markdown("#### Since when the last checkpoint's neurons are there")
    place = (chosen.model, chosen.dataset, chosen.concept)
    left, right = st.columns(2, gap="large")
    with left:
        found = rows(warehouse, knowledge_queries.stability, *place)
        _draw(knowledge_charts.stability(found, series.checkpoints, chosen.concept), "Share of neurons found")
        pairs = rows(warehouse, knowledge_queries.overlap, chosen.model, chosen.dataset)
        if pairs:
            _draw(knowledge_charts.overlap(pairs, series.checkpoints), "Jaccard index of pairs of checkpoints")
    with right:
        found = rows(warehouse, knowledge_queries.history, *place)
        if found:
            _draw(knowledge_charts.history(found, series.checkpoints, chosen.concept), "Neurons by checkpoint")
        else:
            st.caption(f"{literal(chosen.concept)} has no contributing neurons at the last checkpoint.")


def _frequency(warehouse: Warehouse, chosen: Choice, series: Series) -> None:
    st.markdown("#### Frequent and rare concepts")
    place = (chosen.model, chosen.dataset)
    acquired = rows(warehouse, knowledge_queries.acquisition_by_frequency, *place)
    changes = rows(warehouse, knowledge_queries.rank_change_by_frequency, *place, chosen.operation, chosen.checkpoint)
    extremes = rows(warehouse, knowledge_queries.rank_change_of_extremes, *place, chosen.operation)
    correlations = rows(warehouse, knowledge_queries.frequency_correlation, *place)
    if not (acquired or changes):
        st.caption("The frequency of these concepts is not known; `nwh ingest prompts` takes it from wordfreq.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        known = [row for row in acquired if row["checkpoint"] is not None]
        if known:
            _draw(knowledge_charts.acquisition(known, series.checkpoints), "Acquisition by frequency")
        if acquired:
            st.caption(
                f"{len(acquired) - len(known):,} of {len(acquired):,} concepts are not acquired at any checkpoint."
            )
        st.caption("Spearman's correlation of frequency with the step of acquisition and with the rank change")
        columns = st.column_config
        formats = {
            "correlation": columns.NumberColumn(format="%.3f"),
            "p_value": columns.NumberColumn("p", format="%.2g"),
            "n": columns.NumberColumn("concepts"),
        }
        st.dataframe(correlations, hide_index=True, column_config=formats)
    with right:
        if changes:
            title = f"Rank change under {chosen.operation} at {chosen.checkpoint}, by frequency"
            _draw(knowledge_charts.rank_change(changes, title), title)
        if extremes:
            chart = knowledge_charts.rank_change_of_extremes(extremes, series.checkpoints, chosen.operation)
            _draw(chart, "Rank change of the most and least frequent concepts")
