"""The layers page: a figure of every neuron, whether dimensions keep it over layers, how diverse layers are."""

from __future__ import annotations

from statistics import median

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import extent_of, label
from nwh.dashboards.address.place import fullest
from nwh.dashboards.charts import diversity_charts, layer_charts
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import exhibits, notices, picking
from nwh.dashboards.parts.picking import PageChoices
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.neurons import Extent


def page() -> None:
    """Show the layers of the checkpoint that the address names."""
    st.title("Layers", anchor=False)
    st.markdown(
        "What neurons do by layer and dimension: one figure of every neuron as a picture, whether the same dimension "
        "behaves alike in different layers, and how diverse the sentences are that activate a layer's neurons most "
        "(Oba et al. 2021, section 4.3). What you choose is in the address."
    )
    warehouse = session.warehouse()
    known = session.ask(warehouse, queries.neurons.extents)
    if not known:
        steps = ("ingest activations --model MODEL", "ingest clusters --model MODEL")
        notices.empty(warehouse, "no activations", *steps, first=["corpora"])
        return
    choices = PageChoices()
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        labels = list(dict.fromkeys(map(label, known)))
        model = choices.one_of("model", "Model@checkpoint", labels, fullest(known), width=250)
        sites = [extent.site for extent in known if label(extent) == model]
        extent = extent_of(known, model, choices.one_of("site", "Site", sites, width=110))
        corpus = choices.one_of("corpus", "Corpus", extent.corpora)
        found = session.ask(warehouse, queries.layers.figures, extent.model, extent.checkpoint, corpus)
        figure = choices.one_of("figure", "Figure", [row["figure"] for row in found.records], width=290)
        curves = session.ask(warehouse, queries.layers.sse_curves, extent.model, extent.checkpoint, extent.site)
        scopes = list(dict.fromkeys(row["scope"] for row in curves.records))
        default = corpus if corpus in scopes else None
        scope = choices.one_of("scope", "Clusters over", scopes, default) if scopes else ""
    if not choices.fit():
        return
    session.tab(f"Layers {model} {extent.site}")
    _heat_map(warehouse, extent, corpus, figure)
    _diversity(warehouse, extent, curves, scope)
    _consistency(warehouse, extent, corpus, figure)  # last, because it takes longest
    session.footer()


def _heat_map(warehouse: Warehouse, extent: Extent, corpus: str, figure: str) -> None:
    place = (extent.model, extent.checkpoint, extent.site, corpus, figure)
    with st.spinner("Computing the figure of every neuron"):
        found = session.ask(warehouse, queries.layers.figure_values, *place)
    rows = found.records
    if not rows:
        st.info(f"No neuron has the figure {code_span(figure)} over {code_span(corpus)}.")
        return
    missing = extent.n_layers * extent.n_neurons - len(rows)
    shown, step = layer_charts.merged(rows, extent.n_layers, extent.n_neurons)
    st.caption(
        f"{len(rows):,} neurons; colours end at the 1st and 99th percentile."
        + (f" {missing:,} neurons do not have the figure and are left blank." if missing else "")
        + (f" Each mark shows that one of {step} neighbours which is farthest from the median." if step > 1 else "")
    )
    picture = layer_charts.heat_map(shown, figure, extent.n_layers, extent.n_neurons, step)
    about = f"{figure} of every neuron, by layer and dimension"
    values = [row["value"] for row in rows]
    finding = f"{len(rows):,} neurons, {min(values):.3g} to {max(values):.3g}, median {median(values):.3g}"
    picking.draw_to_pick(picture, found, "/".join(("layers", *place)), about, finding)
    if picked := picking.pick(rows):
        place_of = Neuron(*place[:3], picked["layer"], picked["neuron"])
        neuron.link_to(place_of, f"{layer_charts.figure_title(figure)} {picked['value']:.4g}")


def _consistency(warehouse: Warehouse, extent: Extent, corpus: str, figure: str) -> None:
    st.markdown("## Does the same dimension behave alike in different layers?")
    if extent.n_layers == 1:
        st.caption("This model has one layer only.")
        return
    place = (extent.model, extent.checkpoint, extent.site, corpus, figure)
    with st.spinner("Correlating layers"):
        found = session.ask(warehouse, queries.layers.consistency, *place)
    pairs = [row for row in found.records if row["correlation"] is not None]
    if not pairs:
        st.info("This figure does not vary within layers, so it has no correlation between them.")
        return
    st.caption(
        "Correlation of the figure over dimensions between two layers (view `dimension_consistency`); the baseline is "
        "its mean over 99 cyclic shifts of the dimensions, p the share of these that reach it, itself included."
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        picture = layer_charts.consistency(pairs)
        most = max(pairs, key=lambda row: row["correlation"])
        finding = f"highest {most['correlation']:.3g}, layers {most['layer_a']} and {most['layer_b']}"
        exhibits.chart(picture, found, "Correlation of the figure between layers", finding)
    with right:
        columns = st.column_config
        exhibits.table(
            found,
            "Pairs of layers",
            {
                "layer_a": columns.NumberColumn("lower layer"),
                "layer_b": columns.NumberColumn("higher layer"),
                "n_neurons": columns.NumberColumn("dimensions"),
                "correlation": columns.NumberColumn(format="%.3f"),
                "baseline": columns.NumberColumn(format="%.3f"),
                "baseline_std": columns.NumberColumn("its std", format="%.3f"),
                "p_value": columns.NumberColumn("p", format="%.2f"),
            },
        )


def _diversity(warehouse: Warehouse, extent: Extent, curves: Answer, scope: str) -> None:
    st.markdown("## How diverse is what activates a layer?")
    if not scope:
        st.caption("There are no clusters of this model at this site yet. This command makes them:")
        notices.commands(warehouse, f"ingest clusters --model MODEL --site {extent.site}")
        return
    st.caption(
        "The sentences that activate each neuron of a layer most, as vectors of the last block, put into k clusters by "
        "k-means: the higher a layer's curve, the more its neurons' sentences differ (relation `layer_clusters`). "
        f"Corpora: {code_span(scope)}."
    )
    of_scope = curves.part("scope", scope)
    last = [row for row in of_scope.records if row["k"] == max(row["k"] for row in of_scope.records)]
    order = ", ".join(str(row["layer"]) for row in sorted(last, key=lambda row: -row["sse"]))
    finding = f"at k = {last[0]['k']} layers {order}, the most diverse first"
    left, right = st.columns(2, gap="large")
    with left:
        picture = diversity_charts.sse_curves(of_scope.records)
        exhibits.chart(picture, of_scope, "Sum of squared distances by number of clusters, per layer", finding)
    with right:
        picture = diversity_charts.sse_against_mean(of_scope.records)
        exhibits.chart(picture, of_scope, "Sum of squared distances against the mean of the layers", finding)
