"""The neuron page's parts on what else there is to look at: neurons like it, here and elsewhere, and concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.charts import neuron_charts
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits, knowledge
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron

_NEURONS, _CONCEPTS, _WORDS, _PARTNERS = 10, 20, 3, 20
_CORRELATIONS = ("correlation", "rotated_correlation")


def similar(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str], sites: Sequence[str]) -> None:
    """Show the neurons whose activations are most like this one's, with links to their pages; sites: to choose from."""
    st.markdown("## Similar neurons")
    own = chosen.neuron.site
    if len(sites) > 1:
        st.segmented_control("Of site", sites, default=own, required=True, key=_site_key(own))
    question, *asked = first_asked(chosen.neuron, corpora, sites)
    found, looked = session.ask(warehouse, question, *asked)
    rows, site = found.records, asked[-2]
    if not rows:
        st.caption(
            "No sentences were sampled for this model (`nwh ingest activations --sample`), or not the same ones at "
            "both sites, so neurons cannot be compared; nor can a neuron that does not vary."
        )
        return
    st.caption(
        f"Of all layers, by the correlation (Pearson) of their activations over {rows[0]['n_sentences']:,} sampled "
        "sentences of the corpora chosen."
    )
    places = [replace(chosen.neuron, site=site, layer=row["layer"], neuron=row["neuron"]) for row in rows]
    words = {(row["layer"], row["neuron"]): ", ".join(row["words"]) for row in looked.records}
    st.html(
        markup.table(
            ["neuron", "correlation", *(["its words"] if words else [])],
            [
                (
                    place.within,
                    [f"{row['correlation']:.3f}", *([words.get((place.layer, place.neuron), "")] if words else [])],
                )
                for place, row in zip(places, rows, strict=True)
            ],
            [replace(chosen, neuron=place, text="", find="").link for place in places],
        )
    )
    exhibits.source(found, "Similar neurons")


def first_asked(neuron: Neuron, corpora: Sequence[str], sites: Sequence[str]) -> tuple[Any, ...]:
    """Return what `similar` asks, with its arguments: neuron, corpora, how many, site, words of each."""
    site = st.session_state.get(_site_key(neuron.site))
    site = site if site in sites else neuron.site
    return queries.previews.similar, neuron, tuple(corpora), _NEURONS, site, _WORDS


def _site_key(own: str) -> str:
    return f"similar-{own}"


def elsewhere(warehouse: Warehouse, chosen: NeuronAddress) -> None:
    """Show the neuron's partners in other checkpoints, with links to their pages; nothing where none was matched."""
    found = session.ask(warehouse, queries.samples.partners, chosen.neuron, _PARTNERS)
    if not found.rows:
        return
    st.markdown("## In other checkpoints")
    st.caption(
        "Its best partner among all neurons of a checkpoint it was matched with, and neurons there whose partner it "
        "is; beside the highest correlation with a rotated basis, which no neuron in particular gives."
    )
    rows = found.records
    places = [Neuron(row["model"], row["checkpoint"], chosen.neuron.site, row["layer"], row["neuron"]) for row in rows]
    st.html(
        markup.table(
            ["neuron", "", "correlation", "rotated basis"],
            [
                (
                    str(place),
                    [
                        "its partner" if row["is_partner"] else "whose partner it is",
                        *("" if row[name] is None else f"{row[name]:.3f}" for name in _CORRELATIONS),
                    ],
                )
                for place, row in zip(places, rows, strict=True)
            ],
            [NeuronAddress(place).link for place in places],
        )
    )
    exhibits.source(found, "In other checkpoints")


def concepts(warehouse: Warehouse, neuron: Neuron) -> None:
    """Show the concepts that a neuron of site `ffn` contributes to, over checkpoints, with links to their pages."""
    st.markdown("## Concepts it contributes to")
    if neuron.site != "ffn":
        st.caption("Knowledge attribution is of neurons of site `ffn`.")
        return
    found = session.ask(warehouse, queries.knowledge.concepts_of, neuron)
    rows = found.records
    if not rows:
        if warehouse.partitions("attributions", {"model": neuron.model}):
            st.caption("None at t = 0.2, p = 0.5 at any checkpoint.")
        else:
            st.caption("No attributions are stored of this model: `nwh ingest attributions` makes them.")
        return
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: -row["attribution"]):
        best.setdefault((row["dataset"], row["concept"]), row)
    shown = dict(list(best.items())[:_CONCEPTS])
    st.caption(
        f"{len(best):,} concepts, those of highest attribution first. A concept's contributing neurons reach a fifth "
        "of a prompt's highest attribution in half of its prompts (t = 0.2, p = 0.5; Dai et al. 2021)."
    )
    over_time = [row for row in rows if (row["dataset"], row["concept"]) in shown]
    picture = None
    if len({row["checkpoint"] for row in over_time}) > 1:
        title = "Concepts of this neuron over checkpoints"
        picture = neuron_charts.over_checkpoints(over_time, title)
        exhibits.draw(picture, title)
    st.html(
        markup.table(
            ["concept", "data set", "highest attribution", "at", "checkpoints"],
            [
                (
                    row["concept"],
                    [
                        row["dataset"],
                        f"{row['attribution']:.3g}",
                        row["checkpoint"],
                        str(sum((each["dataset"], each["concept"]) == name for each in rows)),
                    ],
                )
                for name, row in shown.items()
            ],
            [
                knowledge.KnowledgeAddress(neuron.model, row["dataset"], row["concept"], row["checkpoint"]).link
                for row in shown.values()
            ],
        )
    )
    exhibits.source(found, "Concepts it contributes to", picture)
