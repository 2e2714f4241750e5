"""The neuron page: one neuron's sentences, distribution and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import streamlit as st

from nwh.dashboards import opened
from nwh.dashboards.address import choice
from nwh.dashboards.address.choice import Choice
from nwh.dashboards.charts import charts
from nwh.dashboards.html import markup
from nwh.dashboards.parts import (
    downloads,
    figures,
    heat,
    notices,
    output_tokens,
    own_text,
    patterns,
    related,
    sentences,
)
from nwh.dashboards.parts.sentences import Shown
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neurons import Neuron
from nwh.warehouse.queries import neuron_queries
from nwh.warehouse.queries.neuron_queries import Extent

_METADATA_ROWS, _METADATA_BARS = 100, 10


def page() -> None:
    """Show the neuron that the address names."""
    st.title("Neuron", anchor=False)
    st.markdown(
        "The sentences that activate one neuron most and least, how its activations are distributed, and what its top "
        "sentences have in common (Oba et al. 2021). What you choose is in the address of this page, to be shared."
    )
    warehouse = opened.warehouse()
    known = opened.ask(warehouse, neuron_queries.extents)
    if not known:
        notices.empty(warehouse, "no activations", "ingest activations --model MODEL", first=["corpora"])
        return
    chosen, problems = choice.read(st.query_params, known)
    extent = choice.extent_of(known, chosen.label, chosen.neuron.site)
    _controls(chosen, extent, known)
    if problems:
        label = f"Show {markup.literal(str(chosen.neuron))} instead"
        notices.wrong_address(problems, label, _go, chosen)
        return
    st.markdown(f"#### {markup.literal(str(chosen.neuron))}")
    _parts(warehouse, chosen, extent, known)


def _parts(warehouse: Warehouse, chosen: Choice, extent: Extent, known: Sequence[Extent]) -> None:
    """Show the neuron: sentences first, then what is quick, then what takes longer, last a model that is not loaded."""
    neuron, corpora = chosen.neuron, chosen.corpora or extent.corpora
    legend = st.empty()
    left, right = st.columns([3, 2], gap="large")
    loaded = heat.has_run(warehouse, neuron)
    with left:
        lists = sentences.poles(warehouse, chosen, corpora)
        if chosen.tokens and loaded:
            _heat_maps(warehouse, neuron, legend, lists)
        downloads.sentences(warehouse, neuron, corpora)
        sampled, own, output = st.container(), st.container(), st.container()
    with right:
        _distribution(warehouse, neuron, corpora)
        _metadata(warehouse, neuron, corpora)
        shared, contributes, alike = st.container(), st.container(), st.container()
    foot = st.container()
    with own:
        own_text.box(_changed, (known, chosen))
        answer = st.container()
    with sampled:
        drawn = sentences.by_quantile(warehouse, chosen, corpora)
    with contributes:
        related.concepts(warehouse, neuron)
    with shared:
        patterns.show(warehouse, neuron, corpora)
    with alike:
        related.similar(warehouse, chosen, corpora)
    with foot:
        opened.footer()
    with answer:
        own_text.show(warehouse, neuron, extent, chosen.text)
    if chosen.tokens:
        _heat_maps(warehouse, neuron, legend, lists, drawn)
    if neuron.site == "ffn":
        with output:
            output_tokens.show(warehouse, neuron)


# -- choosing ----------------------------------------------------------------------------------------------


def _controls(chosen: Choice, extent: Extent, known: Sequence[Extent]) -> None:
    """Draw the widgets as the address says; what the user changes changes the address."""
    labels = list(dict.fromkeys(map(choice.label, known)))
    sites = [other.site for other in known if choice.label(other) == chosen.label]
    place = chosen.neuron
    st.session_state.update(
        {
            "model": chosen.label,
            "site": place.site,
            "layer": place.layer,
            "neuron": place.neuron,
            "k": chosen.k,
        }
    )
    st.session_state.update({name: getattr(chosen, name) for name in ("tokens", "context", "text")})
    st.session_state["corpora"] = list(chosen.corpora)
    changed: dict[str, Any] = {"on_change": _changed, "args": (known, chosen)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Model@checkpoint", labels, key="model", width=290, **changed)
        st.selectbox("Site", sites, key="site", width=110, **changed)
        st.number_input("Layer", 0, extent.n_layers - 1, key="layer", width=125, **changed)
        st.number_input("Neuron", 0, extent.n_neurons - 1, key="neuron", width=135, **changed)
        with st.container(horizontal=True, width="content"):
            for text, help_text, target in (
                ("Previous", "The neuron before this one", choice.step(extent, chosen, -1)),
                ("Next", "The neuron after this one", choice.step(extent, chosen, 1)),
                ("Random", "Any neuron of this model and site", choice.any_neuron(extent, chosen)),
            ):
                st.button(text, help=help_text, on_click=_go, args=(target,))
        st.text_input(
            "Jump to",
            key="jump",
            placeholder="ffn/11/2485",
            help="SITE/LAYER/NEURON, LAYER_NEURON or MODEL@CHECKPOINT/SITE/LAYER/NEURON",
            width=190,
            on_change=_jumped,
            args=(known, chosen),
        )
        st.multiselect("Corpora", extent.corpora, key="corpora", placeholder="all", width=290, **changed)
        st.number_input("Sentences", 1, choice.MAX_SENTENCES, step=5, key="k", width=125, **changed)
        st.toggle("Activation per token", key="tokens", **changed)
        st.toggle("Context", key="context", help="The sentences before and after, as the document has them", **changed)
    if problem := st.session_state.pop("jump_problem", None):
        st.warning(markup.literal(problem))


def _changed(known: Sequence[Extent], before: Choice) -> None:
    state = st.session_state
    extent = choice.extent_of(known, state.model, state.site)
    place = Neuron(extent.model, extent.checkpoint, extent.site, state.layer, state.neuron)
    # The box is drawn after the rest: a page that is left early has none.
    text = state.get("text", before.text)
    _go(choice.within(extent, Choice(place, tuple(state.corpora), state.k, state.tokens, state.context, text)))


def _jumped(known: Sequence[Extent], chosen: Choice) -> None:
    text = st.session_state.jump.strip()
    if not text:
        return
    try:
        _go(choice.jump(text, known, chosen))
        st.session_state.jump = ""
    except UsageError as error:
        st.session_state.jump_problem = str(error)


def _go(chosen: Choice) -> None:
    st.query_params.from_dict(chosen.address)


# -- showing -----------------------------------------------------------------------------------------------


def _heat_maps(
    warehouse: Warehouse, neuron: Neuron, legend: Any, lists: Sequence[Shown], drawn: Sequence[Shown] = ()
) -> None:
    """Replace sentences by their heat maps; the strongest token of `lists` sets the colours, of `drawn` too."""
    texts = [[sentence["text"] for shown in some for sentence in shown.sentences] for some in (lists, drawn)]
    try:
        with legend, st.spinner("Running the model over these sentences"):
            values = [heat.token_values(warehouse, neuron, of) for of in texts]
    except Exception as error:  # whatever torch, transformers or a hub says: the sentences are there without it
        legend.warning(f"The model cannot be run, so activations per token are not shown: {notices.reason(error)}")
        return
    scale = max((abs(value) for tokens in values[0] for _, _, value in tokens), default=0.0)
    legend.html(markup.colour_scale(scale))
    rest = chain(*values)
    for shown in (*lists, *drawn):
        of_texts = list(islice(rest, len(shown.sentences)))
        shown.slot.html(markup.sentence_list(shown.sentences, of_texts, scale))


def _distribution(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    bins = opened.ask(warehouse, neuron_queries.histogram, neuron, tuple(corpora))
    domain = charts.extent(bins.records)
    st.markdown("#### Distribution")
    for corpus in dict.fromkeys(row["corpus"] for row in bins.records):
        of_corpus, title = bins.part("corpus", corpus), f"Sentences of {corpus} by activation"
        figures.chart(charts.histogram(of_corpus.records, title, domain), of_corpus, title)
    found = opened.ask(warehouse, neuron_queries.statistics, neuron, tuple(corpora))
    named = [(name, [row[i] for row in found.rows]) for i, name in enumerate(found.columns)]
    rows = [(name.replace("_", " "), [markup.number(value) for value in values]) for name, values in named[1:]]
    st.html(markup.table(["", *map(str, named[0][1])], rows))
    figures.source(found, "Statistics of the activations")


def _metadata(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    st.markdown("#### Metadata")
    found = opened.ask(warehouse, neuron_queries.metadata, neuron, tuple(corpora), _METADATA_ROWS)
    rows = found.records
    if not rows:
        st.caption("The sentences of these corpora have no metadata; `nwh ingest corpus --metadata` keeps columns.")
        return
    for row in rows:
        row["name"] = f"{row['key']} = {row['value']}" + (f" ({row['corpus']})" if len(corpora) > 1 else "")
    st.caption(
        "Share of each value among all stored top sentences against its share in the corpus; lift is their ratio, "
        "q the Benjamini-Hochberg value of the log-likelihood ratio test."
    )
    title = "Metadata of the top sentences"
    columns = st.column_config
    figures.table(
        found,
        title,
        {
            "name": columns.TextColumn("metadata"),
            "share": columns.NumberColumn("in top", format="percent"),
            "corpus_share": columns.NumberColumn("in corpus", format="percent"),
            "lift": columns.NumberColumn("lift", format="%.2f"),
            "q_value": columns.NumberColumn("q", format="%.1e"),
            "support": columns.NumberColumn("sentences"),
        },
        rows,
        order=("name", "share", "corpus_share", "lift", "q_value", "support"),
        picture=charts.shares(rows[:_METADATA_BARS], title),
    )
