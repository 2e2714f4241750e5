"""The model comparison page: how far two checkpoints are apart, where, and which neurons moved or kept their role."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import layer_charts
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import exhibits, neuron_links, notices
from nwh.dashboards.parts.picking import PageChoices
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.pairs import Pair

_MATCHES = 25
_FILL = (
    "ingest fine-tune --model MODEL --corpus NAME --label KEY --as TUNED",
    "ingest distances --before MODEL --after TUNED",
    "ingest matches --before MODEL --after TUNED",
)


def page() -> None:
    """Show the pair of checkpoints that the address names."""
    st.title("Model comparison", anchor=False)
    st.markdown(
        "What differs between two checkpoints, such as a model before and after fine-tuning: the distance between "
        "their vectors of a sentence (all hidden activations; Oba et al. 2021, section 4.4), by layer and by neuron, "
        "and whether each neuron of the first has a partner in the second (Gurnee et al. 2024). What you choose is in "
        "the address."
    )
    warehouse = session.warehouse()
    known = session.ask(warehouse, queries.pairs.pairs)
    if not known:
        notices.empty(warehouse, "no comparison of checkpoints", *_FILL, first=["sentence_metadata"])
        return
    choices = PageChoices()
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        pair = _pair(choices, known)
        found = session.ask(warehouse, queries.pairs.distances, pair)
        sets = {f"{row['corpus']}/{row['split']}": (row["corpus"], row["split"]) for row in found.records}
        of_set = choices.one_of("set", "Sentences of moved neurons", list(sets), width=230) if sets else ""
        there = session.ask(warehouse, queries.pairs.match_sets, pair).records
        matched = {f"{row['site']}/{row['scope']}": row for row in there}
        of_match = choices.one_of("matches", "Matched neurons", list(matched), width=230) if matched else ""
    if not choices.fit():
        return
    session.tab(f"{pair.before} and {pair.after}")
    st.markdown(f"## {code_span(pair.before)} and {code_span(pair.after)}")
    if found.rows:
        _distances(warehouse, pair, found)
        _moved(warehouse, pair, *sets[of_set])
    else:
        st.caption("There are no distances of this pair. This command makes them:")
        notices.commands(warehouse, f"ingest distances {_options(pair)}")
    st.markdown("## Does each neuron have a partner?")
    if matched:
        _matches(warehouse, pair, matched[of_match]["site"], matched[of_match]["scope"])
    else:
        st.caption("The neurons of this pair are not matched. This command matches them by their sampled activations:")
        notices.commands(warehouse, f"ingest matches {_options(pair)}")
    session.footer()


def _pair(choices: PageChoices, known: list[Pair]) -> Pair:
    before = choices.one_of("before", "Before", list(dict.fromkeys(pair.before for pair in known)), width=270)
    of_before = [pair for pair in known if pair.before == before]
    after = choices.one_of("after", "After", [pair.after for pair in of_before], width=270)
    return next(pair for pair in of_before if pair.after == after)


def _options(pair: Pair) -> str:
    return f"--before {pair.before} --after {pair.after}"


# -- distances ---------------------------------------------------------------------------------------------


def _distances(warehouse: Warehouse, pair: Pair, found: Answer) -> None:
    st.caption("Mean distance over sentences between their vectors before and after (relation `checkpoint_distances`)")
    columns = st.column_config
    exhibits.table(
        found,
        "Mean distances of sentences",
        {
            "n_sentences": columns.NumberColumn("sentences", format="localized"),
            "manhattan": columns.NumberColumn("Manhattan distance", format="%.1f"),
            "euclidean": columns.NumberColumn("Euclidean distance", format="%.2f"),
        },
    )
    by_layer = session.ask(warehouse, queries.pairs.layer_distances, pair)
    if not by_layer.rows:
        return
    for place, measure in zip(st.columns(2, gap="large"), ("manhattan", "euclidean"), strict=True):
        with place:
            picture = layer_charts.layer_distances(by_layer.records, measure)
            exhibits.chart(picture, by_layer, f"Mean {measure} distance by layer, a line for each set of sentences")
    _shares(warehouse, pair)


def _shares(warehouse: Warehouse, pair: Pair) -> None:
    """Show the distances against those of two sentences, where activations were made in the same way."""
    before = (pair.model_before, pair.checkpoint_before, "hidden")
    known = session.ask(warehouse, queries.neurons.extents)
    extent = next((each for each in known if (each.model, each.checkpoint, each.site) == before), None)
    if extent is None:
        return
    try:
        how = session.ask(warehouse, queries.search.aggregation, extent)
    except UsageError:  # no run says it
        return
    if (how.aggregate, how.special_tokens) != ("mean", False):
        return
    found = session.ask(warehouse, queries.pairs.layer_shares, pair, how.corpora)
    if found.rows:
        st.caption(
            "A yardstick: how far a sentence moved against how far two sentences of the corpus are apart before (root "
            "mean square, from the variances of the layer's neurons)."
        )
        exhibits.chart(layer_charts.layer_distances(found.records, "share"), found, "Distance against two sentences")


def _moved(warehouse: Warehouse, pair: Pair, corpus: str, split: str) -> None:
    st.markdown("## Neurons that moved most")
    with st.spinner("Ranking neurons"):
        found = session.ask(warehouse, queries.pairs.moved_neurons, pair, corpus, split, queries.pairs.MOVED_ROWS)
    if not found.rows:
        st.caption("Distances by neuron are not stored of this pair.")
        return
    st.caption(
        f"Hidden neurons over {code_span(corpus)}, {code_span(split)}: mean absolute change of the activation, in "
        "standard deviations before; the patterns of their top sentences where they were mined (macro `moved_neurons`)."
    )
    rows = found.records
    places = neuron_links.add(warehouse, rows, pair.model_before, pair.checkpoint_before, "hidden", "page_before")
    places += neuron_links.add(warehouse, rows, pair.model_after, pair.checkpoint_after, "hidden", "page_after")
    columns = st.column_config
    exhibits.table(
        found,
        "Neurons that moved most",
        {
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
        rows,
        [name for name in rows[0] if any(row[name] not in (None, []) for row in rows)],
    )
    if places:
        neuron.open_one(places)


# -- matches -----------------------------------------------------------------------------------------------


def _matches(warehouse: Warehouse, pair: Pair, site: str, scope: str) -> None:
    place = (pair, site, scope)
    by_layer = session.ask(warehouse, queries.pairs.matches_by_layer, *place)
    st.caption(
        f"The best partner of each {site} neuron of {code_span(pair.before)} among all of {code_span(pair.after)}, "
        f"by Pearson correlation over the sampled sentences of {code_span(scope)}. The baseline is the highest "
        "correlation with the same activations in a random rotated basis: what no neuron in particular gives."
    )
    bins = session.ask(warehouse, queries.pairs.match_histogram, *place)
    if not bins.rows:
        st.info("No neuron varies over these sentences, so none has a partner.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        exhibits.chart(layer_charts.match_histogram(bins.records), bins, "Neurons by their highest correlation")
    with right:
        picture = layer_charts.matches_by_layer(by_layer.records)
        exhibits.chart(picture, by_layer, "Share of neurons above the baseline, by layer")
    _partners(warehouse, pair, site, scope)


def _partners(warehouse: Warehouse, pair: Pair, site: str, scope: str) -> None:
    """List the neurons that lost their partner, and those whose partner is elsewhere."""
    found = session.ask(warehouse, queries.pairs.matches, pair, site, scope, _MATCHES)
    named = {
        "lost": f"Neurons of {pair.before} whose partner in {pair.after} is least like them",
        "moved": "Neurons whose partner has another number",
    }
    said = {"lost": "lowest correlation first", "moved": "highest correlation first"}
    columns = st.column_config
    formats = {
        "neuron": columns.NumberColumn(format="%d"),
        "other_layer": columns.NumberColumn("partner's layer"),
        "other_neuron": columns.NumberColumn("partner", format="%d"),
        "correlation": columns.NumberColumn(format="%.3f"),
        "rotated_correlation": columns.NumberColumn("rotated basis", format="%.3f"),
        "page": columns.LinkColumn("page", display_text="open"),
        "partner": columns.LinkColumn("partner's page", display_text="open"),
    }
    places: list[Neuron] = []
    for slot, (kind, title) in zip(st.columns(2, gap="large"), named.items(), strict=True):
        of_kind = found.part("kind", kind)
        with slot:
            if not of_kind.rows:
                st.caption(f"{title}: none.")
                continue
            st.caption(f"{title}, {said[kind]}, at most {_MATCHES}")
            rows = of_kind.records
            partners = [{"layer": row["other_layer"], "neuron": row["other_neuron"]} for row in rows]
            here = neuron_links.add(warehouse, rows, pair.model_before, pair.checkpoint_before, site)
            there = neuron_links.add(warehouse, partners, pair.model_after, pair.checkpoint_after, site)
            for row, partner in zip(rows, partners, strict=True):
                row["partner"] = partner["page"]
            order = ["layer", "neuron", *["page"] * bool(here), "other_layer", "other_neuron"]
            order += [*["partner"] * bool(there), "correlation", "rotated_correlation"]
            exhibits.table(of_kind, title, formats, rows, order)
            places += [*here, *there]
    if places:
        neuron.open_one(list(dict.fromkeys(places)))
