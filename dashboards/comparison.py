"""The model comparison page: how far two checkpoints are apart, where, and which neurons moved or kept their role."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import across, across_charts, opened
from dashboards.across import Choices
from dashboards.choice import Choice, label
from dashboards.knowledge import rows
from dashboards.markup import literal
from warehouse import Warehouse, across_queries, neuron_queries
from warehouse.across_queries import Pair
from warehouse.neurons import Neuron

_MOVED_ROWS = 50


def page() -> None:
    """Show the pair of checkpoints that the address names."""
    st.title("Model comparison", anchor=False)
    st.markdown(
        "What differs between two checkpoints, such as a model before and after fine-tuning: the distance between "
        "their vectors of a sentence (all hidden activations; Oba et al. 2021, section 4.4), by layer and by neuron, "
        "and whether each neuron of the first has a partner in the second (Gurnee et al. 2024). What you choose is in "
        "the address."
    )
    warehouse = opened.warehouse()
    known = across_queries.pairs(warehouse)
    if not known:
        _empty(warehouse)
        return
    choices = Choices()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = _pair(choices, known)
        found = rows(warehouse, across_queries.distances, pair)
        sets = {f"{row['corpus']}/{row['split']}": (row["corpus"], row["split"]) for row in found}
        of_set = choices.one_of("set", "Sentences of moved neurons", list(sets), width=230) if sets else ""
        matched = {f"{row['site']}/{row['scope']}": row for row in rows(warehouse, across_queries.match_sets, pair)}
        of_match = choices.one_of("matches", "Matched neurons", list(matched), width=230) if matched else ""
    if not choices.fit():
        return
    st.markdown(f"#### {literal(pair.before)} and {literal(pair.after)}")
    if found:
        _distances(warehouse, pair, found)
        _moved(warehouse, pair, *sets[of_set])
    else:
        st.caption("There are no distances of this pair. This command makes them:")
        across.commands(warehouse, f"ingest distances {_options(pair)}")
    st.markdown("#### Does each neuron have a partner?")
    if matched:
        _matches(warehouse, pair, matched[of_match]["site"], matched[of_match]["scope"])
    else:
        st.caption("The neurons of this pair are not matched. This command matches them by their sampled activations:")
        across.commands(warehouse, f"ingest matches {_options(pair)}")


def _pair(choices: Choices, known: list[Pair]) -> Pair:
    before = choices.one_of("before", "Before", list(dict.fromkeys(pair.before for pair in known)), width=270)
    of_before = [pair for pair in known if pair.before == before]
    after = choices.one_of("after", "After", [pair.after for pair in of_before], width=270)
    return next(pair for pair in of_before if pair.after == after)


def _options(pair: Pair) -> str:
    return f"--before {pair.before} --after {pair.after}"


def _empty(warehouse: Warehouse) -> None:
    st.info("This warehouse holds no comparison of checkpoints yet. These commands fill it:")
    steps = [] if neuron_queries.has_corpora(warehouse) else ["ingest corpus FILE --name NAME --metadata KEY"]
    across.commands(
        warehouse,
        *steps,
        "ingest fine-tune --model MODEL --corpus NAME --label KEY --as TUNED",
        "ingest distances --before MODEL --after TUNED",
        "ingest matches --before MODEL --after TUNED",
    )
    st.markdown("The page shows what a command has stored when you load it again.")


# -- distances ---------------------------------------------------------------------------------------------


def _distances(warehouse: Warehouse, pair: Pair, found: list[dict[str, Any]]) -> None:
    st.caption("Mean distance over sentences between their vectors before and after (relation `checkpoint_distances`)")
    columns = st.column_config
    st.dataframe(
        found,
        hide_index=True,
        column_config={
            "n_sentences": columns.NumberColumn("sentences", format="localized"),
            "manhattan": columns.NumberColumn("Manhattan distance", format="%.1f"),
            "euclidean": columns.NumberColumn("Euclidean distance", format="%.2f"),
        },
    )
    by_layer = rows(warehouse, across_queries.layer_distances, pair)
    if not by_layer:
        return
    for place, measure in zip(st.columns(2, gap="large"), ("manhattan", "euclidean"), strict=True):
        with place:
            chart = across_charts.layer_distances(by_layer, measure)
            st.altair_chart(chart, alt=f"Mean {measure} distance by layer, a line for each set of sentences")


def _moved(warehouse: Warehouse, pair: Pair, corpus: str, split: str) -> None:
    st.markdown("#### Neurons that moved most")
    with st.spinner("Ranking neurons"):
        found = rows(warehouse, across_queries.moved_neurons, pair, corpus, split, _MOVED_ROWS)
    if not found:
        st.caption("Distances by neuron are not stored of this pair.")
        return
    st.caption(
        f"Hidden neurons over {literal(corpus)}, {literal(split)}: mean absolute change of the activation, in standard "
        "deviations before; the patterns of their top sentences where they were mined (macro `moved_neurons`)."
    )
    here = {label(extent) for extent in neuron_queries.extents(warehouse) if extent.site == "hidden"}
    for row in found:
        for when, name in (("before", pair.before), ("after", pair.after)):
            place = Neuron(*across.at(name), "hidden", row["layer"], row["neuron"])
            row[f"page_{when}"] = Choice(place).link if name in here else None
    columns = st.column_config
    st.dataframe(
        found,
        hide_index=True,
        column_config={
            "layer": columns.NumberColumn(width=60),
            "neuron": columns.NumberColumn(width=70),
            "standardised_change": columns.NumberColumn("absolute change / std before", format="%.2f"),
            "mean_change": columns.NumberColumn("mean change", format="%+.3g"),
            "std_before": columns.NumberColumn("std before", format="%.3g"),
            "patterns_before": columns.ListColumn("patterns before"),
            "patterns_after": columns.ListColumn("patterns after"),
            "page_before": columns.LinkColumn("page before", display_text="open"),
            "page_after": columns.LinkColumn("page after", display_text="open"),
        },
    )


# -- matches -----------------------------------------------------------------------------------------------


def _matches(warehouse: Warehouse, pair: Pair, site: str, scope: str) -> None:
    place = (pair, site, scope)
    by_layer = rows(warehouse, across_queries.matches_by_layer, *place)
    st.caption(
        f"The best partner of each {site} neuron of {literal(pair.before)} among all of {literal(pair.after)}, by "
        f"Pearson correlation over the sampled sentences of {literal(scope)}. The baseline is the highest correlation "
        "with the same activations in a random rotated basis: what no neuron in particular gives."
    )
    bins = rows(warehouse, across_queries.match_histogram, *place)
    if not bins:
        st.info("No neuron varies over these sentences, so none has a partner.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.altair_chart(across_charts.match_histogram(bins), alt="Neurons by their highest correlation")
    with right:
        st.altair_chart(across_charts.matches_by_layer(by_layer), alt="Share of neurons above the baseline, by layer")
