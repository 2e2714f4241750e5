"""The map of neurons: a layer's neurons placed by what they do, in groups that have a meaning."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import layer_charts
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import exhibits, notices, picking
from nwh.dashboards.parts.picking import PageChoices
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.layers import NeuronMap

_BY_CLUSTER = "cluster"


def page() -> None:
    """Show the map that the address names."""
    st.title("Neuron map", anchor=False)
    st.markdown(
        "The neurons of a layer, near to each other where they respond alike: each is the vector of its activations "
        "over the same sampled sentences, placed by t-SNE (van der Maaten and Hinton 2008) and grouped by k-means "
        "(Oba et al. 2021, section 4.3). Only near neighbours mean something; long distances do not. What you choose "
        "is in the address."
    )
    warehouse = session.warehouse()
    known = session.ask(warehouse, queries.layers.maps)
    if not known:
        steps = ("ingest clusters --model MODEL", "ingest patterns --model MODEL")
        notices.empty(warehouse, "no maps of neurons", *steps, first=["corpora", "neuron_stats"])
        return
    choices = PageChoices()
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        chosen, layer = _place(choices, known)
        place = (chosen.model, chosen.checkpoint, chosen.site, chosen.scope, layer)
        named = _figures(warehouse, chosen)
        colour = choices.one_of("colour", "Colour", [_BY_CLUSTER, *named], width=230)
        found = session.ask(warehouse, queries.layers.neuron_map, *place)
        picked = picking.picked_row(found.records)
        clusters = session.ask(warehouse, queries.layers.clusters, *place).records
        sizes = {str(row["cluster"]): row["n_neurons"] for row in clusters}
        default = str(picked["cluster"]) if picked else None
        cluster = int(choices.one_of("cluster", "Cluster", list(sizes), default, width=110))
    if not choices.fit():
        return
    session.tab(f"Map {chosen.model}@{chosen.checkpoint} {chosen.site}/{layer}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        figure = None
        if colour != _BY_CLUSTER:
            corpus, figure = named[colour]
            with st.spinner("Computing the figure of every neuron"):
                found = session.ask(warehouse, queries.layers.neuron_map_by, *place, corpus, figure)
        rows = found.records
        title = f"{len(rows):,} neurons of layer {layer} in {len(sizes)} clusters"
        picture = layer_charts.neuron_map(rows, title, cluster, figure)
        picking.draw_to_pick(picture, found, "/".join(map(str, ("map", *place, colour))), title)
    with right:
        if picked := picking.pick(rows):
            neuron.link_to(Neuron(*place[:3], layer, picked["neuron"]), f"cluster {picked['cluster']}")
        _profile(warehouse, chosen, layer, cluster, sizes[str(cluster)])
    session.footer()


def _place(choices: PageChoices, known: list[NeuronMap]) -> tuple[NeuronMap, int]:
    labels = list(dict.fromkeys(f"{each.model}@{each.checkpoint}" for each in known))
    model = choices.one_of("model", "Model@checkpoint", labels, width=250)
    of_model = [each for each in known if f"{each.model}@{each.checkpoint}" == model]
    site = choices.one_of("site", "Site", list(dict.fromkeys(each.site for each in of_model)), width=110)
    of_site = [each for each in of_model if each.site == site]
    scope = choices.one_of("scope", "Corpora", [each.scope for each in of_site], width=190)
    chosen = next(each for each in of_site if each.scope == scope)
    return chosen, int(choices.one_of("layer", "Layer", list(map(str, chosen.layers)), width=110))


def _figures(warehouse: Warehouse, chosen: NeuronMap) -> dict[str, tuple[str, str]]:
    """Return what a map can be coloured by, name -> corpus and figure; names say the corpus where there are several."""
    corpora = chosen.scope.split("+")
    return {
        row["figure"] if len(corpora) == 1 else f"{corpus}: {row['figure']}": (corpus, row["figure"])
        for corpus in corpora
        for row in session.ask(warehouse, queries.layers.figures, chosen.model, chosen.checkpoint, corpus).records
    }


def _profile(warehouse: Warehouse, chosen: NeuronMap, layer: int, cluster: int, n_neurons: int) -> None:
    st.markdown(f"## What sets cluster {cluster} apart")
    place = (chosen.model, chosen.checkpoint, chosen.site, chosen.scope, layer, cluster)
    with st.spinner("Comparing the cluster with the layer's other neurons"):
        found = session.ask(warehouse, queries.layers.cluster_profile, *place, queries.layers.PROFILE_ROWS)
    if not found.rows:
        st.caption(
            f"Nothing stored is commoner among its {n_neurons:,} neurons than among the layer's others. Patterns come "
            f"from this command, over the corpora {code_span(chosen.scope)}; metadata from `ingest corpus --metadata`:"
        )
        corpora = chosen.scope.replace("+", ",")
        notices.commands(warehouse, f"ingest patterns --model {chosen.model} --corpus {corpora} --site {chosen.site}")
        return
    st.caption(
        f"Patterns and metadata that the top sentences of its {n_neurons:,} neurons have (q ≤ 0.05, lift above 1), "
        "against the layer's other neurons; G² ranks them (view `cluster_profile`)."
    )
    columns = st.column_config
    exhibits.table(
        found,
        f"What sets cluster {cluster} apart",
        {
            "share": columns.NumberColumn("of the cluster", format="percent"),
            "others_share": columns.NumberColumn("of the others", format="percent"),
            "n_with": columns.NumberColumn("neurons"),
            "g2": columns.NumberColumn("G²", format="%.1f"),
        },
        order=["kind", "pattern", "share", "others_share", "n_with", "g2"],
    )
