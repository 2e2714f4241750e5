"""The formation page: how knowledge neurons form over training, all concepts of a data set together."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import formation_charts, frequency_charts
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import concepts, neuron
from nwh.dashboards.parts import exhibits, formation, knowledge, neuron_links, notices
from nwh.dashboards.parts.knowledge import KnowledgeAddress
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.knowledge import Series

_SHARED_NEURONS = 50


def page() -> None:
    """Show a data set over the checkpoints of a model."""
    st.title("Formation", anchor=False)
    st.markdown(
        "How knowledge neurons form over training: what changing them does at each checkpoint, how many there are and "
        "where, which concepts share them, since when they are there, and whether frequent words come first. "
        "Contributing neurons are those of view `knowledge_neurons`. What you choose is in the address."
    )
    warehouse = session.warehouse()
    found = knowledge.choose(warehouse, ["operation", "frequency"])
    if found is None:
        return
    chosen, series = found
    session.tab(f"Formation {chosen.model} {chosen.dataset}")
    concept_page = st.Page(concepts.page, title="Concept", url_path="concept")
    st.page_link(concept_page, label=f"Open {code_span(chosen.concept)}'s page", query_params=chosen.address)
    if len(series.checkpoints) == 1:
        st.caption("There is one checkpoint only; `nwh ingest attributions --checkpoint all` runs all of a model.")
    formation.rules(warehouse, chosen)
    with st.spinner("Selecting neurons"):
        formation.over_training(warehouse, chosen, series)
        _changes(warehouse, chosen, series)
        _counts(warehouse, chosen, series)
        _sharing(warehouse, chosen)
        _stability(warehouse, chosen, series)
        formation.consistency(warehouse, chosen, series)
        formation.faithfulness(warehouse, chosen)
        formation.side_effects(warehouse, chosen)
        _frequency(warehouse, chosen, series)
    session.footer()


def _changes(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown("## Changing the contributing neurons")
    if not chosen.operation:
        st.caption("There are no interventions on this data set yet. This command makes them:")
        notices.commands(warehouse, f"ingest interventions --model MODEL --checkpoint all --dataset {chosen.dataset}")
        return
    st.caption(
        "Tick: median over concepts. Bar: quartiles. Line: 5 % to 95 %. Prompts with a probability of 0 before have no "
        "relative change and are left out."
    )
    place = (chosen.model, chosen.dataset, chosen.operation)
    found = session.ask(warehouse, queries.knowledge.relative_change, *place)
    for column, polarity in zip(st.columns(2, gap="large"), ("positive", "negative"), strict=True):
        of_polarity = found.part("polarity", polarity)
        if of_polarity.rows:
            with column:
                picture = formation_charts.change_distribution(
                    of_polarity.records, series.checkpoints, polarity, chosen.operation
                )
                about = f"Relative change by checkpoint, {polarity} prompts"
                exhibits.chart(picture, of_polarity, about, _medians(of_polarity))


def _medians(found: Answer) -> str:
    """Say the medians at the last checkpoint."""
    rows = [row for row in found.records if row["checkpoint"] == found.records[-1]["checkpoint"]]
    named = [f"{row['median']:.3g} % ({row['arm']})" for row in rows if row["median"] is not None]
    return f"median at {rows[0]['checkpoint']} {', '.join(named)}"


def _counts(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown("## How many, and where")
    place, checkpoints = (chosen.model, chosen.dataset), series.checkpoints
    found = session.ask(warehouse, queries.knowledge.neurons_per_concept, *place)
    picture = formation_charts.neurons_over_time(found.records, checkpoints)
    means = [f"{row['mean']:.3g} at {row['checkpoint']}" for row in found.records]
    exhibits.chart(
        picture, found, "Neurons per concept by checkpoint", " … ".join(dict.fromkeys([means[0], means[-1]]))
    )
    left, right = st.columns(2, gap="large")
    with left:
        found = session.ask(warehouse, queries.knowledge.layers, *place)
        title, unit = "Contributing neurons by layer", "neurons per concept"
        heat_map = formation_charts.layers_over_time(found.records, checkpoints, "per_concept", title, unit)
        exhibits.chart(heat_map, found, title, _highest(found, "per_concept"))
    with right:
        found = session.ask(warehouse, queries.knowledge.attributions, *place)
        if not found.rows:
            st.info("No concept has contributing neurons at any checkpoint.")
            return
        title, unit = "Mean attribution of contributing neurons by layer", "attribution (probability)"
        heat_map = formation_charts.layers_over_time(found.records, checkpoints, "mean", title, unit)
        exhibits.chart(heat_map, found, title, _highest(found, "mean"))


def _highest(found: Answer, figure: str) -> str:
    """Say where a figure of layers at checkpoints is highest."""
    most = max(found.records, key=lambda row: row[figure] or 0, default=None)
    return "" if most is None else f"highest in layer {most['layer']} at {most['checkpoint']}, {most[figure]:.3g}"


def _sharing(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    st.markdown(f"## Concepts per neuron at {code_span(chosen.checkpoint)}")
    place = (chosen.model, chosen.dataset, chosen.checkpoint)
    found = session.ask(warehouse, queries.knowledge.sharing, *place)
    if not found.rows:
        st.info("No neuron contributes to a concept at this checkpoint.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        picture = formation_charts.sharing(found.records, chosen.checkpoint)
        first, last = found.records[0], found.records[-1]
        finding = (
            f"{first['n_neurons']} contribute to {first['n_concepts']}, {last['n_neurons']} to {last['n_concepts']}"
        )
        exhibits.chart(picture, found, "Neurons by number of concepts", finding)
    with right:
        shared = session.ask(warehouse, queries.knowledge.shared_neurons, *place, _SHARED_NEURONS)
        if not shared.rows:
            st.caption("No neuron contributes to more than one concept.")
            return
        st.caption(f"Neurons that contribute to most concepts, at most {_SHARED_NEURONS}")
        rows = shared.records
        places = neuron_links.add(warehouse, rows, chosen.model, chosen.checkpoint, "ffn")
        exhibits.table(
            shared,
            "Neurons of most concepts",
            {"n_concepts": st.column_config.NumberColumn("number"), "page": neuron_links.COLUMN},
            rows,
            ["layer", "neuron", *["page"] * bool(places), "n_concepts", "concepts"],
        )
        if places:
            neuron.open_one(places)


def _stability(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown("## Since when the last checkpoint's neurons are there")
    place, checkpoints = (chosen.model, chosen.dataset, chosen.concept), series.checkpoints
    left, right = st.columns(2, gap="large")
    with left:
        found = session.ask(warehouse, queries.knowledge.stability, *place)
        picture = formation_charts.stability(found.records, checkpoints, chosen.concept)
        first, reference = found.records[0], found.records[0]["reference_checkpoint"]
        finding = f"mean over concepts {first['mean_found'] or 0:.0%} at {first['checkpoint']}, 100% at {reference}"
        exhibits.chart(picture, found, "Share of neurons found", finding)
        pairs = session.ask(warehouse, queries.knowledge.overlap, chosen.model, chosen.dataset)
        if pairs.rows:
            picture = formation_charts.overlap(pairs.records, checkpoints)
            exhibits.chart(picture, pairs, "Jaccard index of pairs of checkpoints")
    with right:
        found = session.ask(warehouse, queries.knowledge.history, *place)
        if found.rows:
            _history(warehouse, chosen, series, reference, found)
        else:
            st.caption(f"{code_span(chosen.concept)} has no contributing neurons at the last checkpoint.")


def _history(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series, reference: str, found: Answer) -> None:
    """Show since when the neurons of the concept contribute, then those that are there longest one by one.

    reference: the last checkpoint, of the highest step.
    """
    rows, checkpoints = found.records, series.checkpoints
    neurons = formation_charts.lasting(rows, checkpoints, reference)
    first = sum(each["since"] == reference for each in neurons)
    finding = f"{first} of {len(neurons)} since the last checkpoint only"
    exhibits.chart(formation_charts.since_when(neurons, checkpoints, chosen.concept), found, "Since when", finding)
    shown = neurons[: formation_charts.MOST_PLACES]
    if len(neurons) > len(shown):
        st.caption(f"The {len(shown)} of {len(neurons)} neurons that contribute longest; the rows as CSV hold all.")
    exhibits.chart(
        formation_charts.history(rows, checkpoints, chosen.concept, reference), found, "Neurons by checkpoint"
    )
    named = [dict(zip(("layer", "neuron"), map(int, each["place"].split("/")), strict=True)) for each in shown]
    if places := neuron_links.add(warehouse, named, chosen.model, reference, "ffn"):
        neuron.open_one(places)


def _frequency(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown("## Frequent and rare concepts")
    place = (chosen.model, chosen.dataset, chosen.frequency)
    acquired = session.ask(warehouse, queries.frequency.acquisition_by_frequency, *place)
    changes = session.ask(
        warehouse, queries.frequency.rank_change_by_frequency, *place, chosen.operation, chosen.checkpoint
    )
    if not (acquired.rows or changes.rows):
        st.caption(
            "The frequency of these concepts is not known: wordfreq has those of English words, and this counts:"
        )
        notices.commands(warehouse, f"ingest counts --dataset {chosen.dataset} --count-in CORPUS")
        return
    left, right = st.columns(2, gap="large")
    with left:
        _acquisition(series, acquired, chosen.frequency)
    with right:
        if changes.rows:
            title = f"Rank change under {chosen.operation} at {chosen.checkpoint}, by frequency"
            exhibits.chart(frequency_charts.rank_change(changes.records, title, chosen.frequency), changes, title)
        extremes = session.ask(warehouse, queries.frequency.rank_change_of_extremes, *place, chosen.operation)
        if extremes.rows:
            st.caption(formation.INTERVALS)
            picture = frequency_charts.rank_change_of_extremes(extremes.records, series.checkpoints, chosen.operation)
            exhibits.chart(picture, extremes, "Rank change of the most and least frequent concepts")
    _correlations(session.ask(warehouse, queries.frequency.correlations, chosen.model, chosen.dataset), series)


def _acquisition(series: Series, acquired: Answer, source: str) -> None:
    """Show which checkpoint first knows each concept (null: none does), and whether frequent ones come first."""
    known = [row for row in acquired.records if row["checkpoint"] is not None]
    if known:
        picture = frequency_charts.acquisition(known, series.checkpoints, source)
        exhibits.chart(picture, acquired, "Acquisition by frequency")
    if acquired.rows:
        n_concepts = len(acquired.rows)
        st.caption(f"{n_concepts - len(known):,} of {n_concepts:,} concepts are not acquired at any checkpoint.")


def _correlations(found: Answer, series: Series) -> None:
    """Show how frequency goes with acquisition and with rank change, by each source of frequencies."""
    st.caption(
        "Spearman's correlation of frequency with the step of acquisition and with the rank change, by each source of "
        "frequencies; q is Benjamini-Hochberg over the checkpoints."
    )
    columns = st.column_config
    if over := [row for row in found.records if row["checkpoint"] is not None and row["correlation"] is not None]:
        picture = frequency_charts.correlations(over, series.checkpoints)
        exhibits.chart(picture, found, "Correlation of frequency and rank change by checkpoint")
    exhibits.table(
        found,
        "Correlation with frequency",
        {
            "frequency_source": columns.TextColumn("frequency"),
            "correlation": columns.NumberColumn(format="%.3f"),
            "p_value": columns.NumberColumn("p", format="%.2g"),
            "q_value": columns.NumberColumn("q over checkpoints", format="%.2g"),
            "n": columns.NumberColumn("concepts"),
        },
    )
