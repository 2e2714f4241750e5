"""The neuron page: one neuron's sentences, distribution and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address import neuron_address
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.charts import neuron_charts
from nwh.dashboards.html import markup
from nwh.dashboards.html.templates import number
from nwh.dashboards.parts import (
    downloads,
    exhibits,
    explanations,
    metadata,
    notices,
    output_tokens,
    own_text,
    patterns,
    related,
    searched,
    sentences,
    summary,
    token_values,
)
from nwh.dashboards.parts.sentences import Shown
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent


def page() -> None:
    """Show the neuron that the address names."""
    warehouse = session.warehouse()
    known = queries.knowledge.extents_with_prompts(warehouse, session.ask)
    if not known:
        st.title("Neuron", anchor=False)
        notices.empty(warehouse, "no activations", "ingest activations --model MODEL", first=["corpora"])
        return
    chosen, problems = neuron_address.read(st.query_params, known)
    extent = neuron_address.extent_of(known, chosen.label, chosen.neuron.site)
    st.set_page_config(page_title=f"{chosen.neuron.within} {chosen.neuron.model} \N{MIDDLE DOT} nwh")
    corpora = chosen.corpora or extent.corpora
    if corpora and not problems:
        session.ask_ahead(warehouse, *sentences.first_asked(chosen, corpora))
    _controls(chosen, extent, known)
    if problem := st.session_state.pop("jump_problem", None):
        st.warning(markup.code_span(problem))
    if problems:
        label = f"Show {markup.code_span(str(chosen.neuron))} instead"
        notices.wrong_address(problems, label, _go, chosen)
        return
    summed_up = summary.head(chosen.neuron)
    explanations.show(warehouse, chosen.neuron)
    if corpora:
        searched.show(warehouse, chosen, corpora, _go)
        _parts(warehouse, chosen, corpora, extent, known, summed_up)
    else:
        with summed_up:
            summary.provenance(warehouse, chosen.neuron, corpora)
        _of_prompts(warehouse, chosen, extent, known)


def link_to(place: Neuron, about: str = "") -> None:
    """Link to the page of a neuron; about: what is said of it here."""
    _link(NeuronAddress(place), about)


def _link(chosen: NeuronAddress, about: str = "") -> None:
    target = st.Page(page, title="Neuron", url_path="neuron")
    label = f"Open {markup.code_span(str(chosen.neuron))}" + (f": {markup.code_span(about)}" if about else "")
    st.page_link(target, label=label, query_params=chosen.address)


def open_one(places: Sequence[Neuron | NeuronAddress]) -> None:
    """Let one of a table's neurons be opened by name: links within a table cannot be reached without a mouse."""
    addresses = [place if isinstance(place, NeuronAddress) else NeuronAddress(place) for place in places]
    named = {str(chosen.neuron): chosen for chosen in addresses}
    name = st.selectbox("Open a neuron", list(named), index=None, placeholder="choose one of these", width=330)
    if name is not None:
        _link(named[name])


def _parts(
    warehouse: Warehouse,
    chosen: NeuronAddress,
    corpora: Sequence[str],
    extent: Extent,
    known: Sequence[Extent],
    summed_up: Any,
) -> None:
    """Show the neuron: sentences first, then what is quick, then what takes longer, last a model that is not loaded.

    summed_up: where the line goes that sums it up.
    """
    neuron = chosen.neuron
    legend = st.empty()
    sites = [each.site for each in known if neuron_address.label(each) == chosen.label and each.corpora]
    left, right = st.columns([3, 2], gap="large")
    loaded = token_values.has_run(warehouse, neuron)
    with left:
        lists = sentences.poles(warehouse, chosen, corpora)
        if chosen.tokens and loaded:  # before what is asked ahead, which would take the processors from the model
            _heat_maps(warehouse, chosen, legend, lists)
        _ask_ahead(warehouse, neuron, tuple(corpora), sites)
        downloads.sentences(warehouse, neuron, corpora)
        sampled = st.container()
        own_text.box(_changed, (known, chosen))
        answer = st.container()
    with right:
        _distribution(warehouse, neuron, corpora)  # while what comes next is being asked
    with summed_up:
        summary.show(warehouse, neuron, corpora)
    with right:
        metadata.separation(warehouse, chosen, corpora)
        alike, output = st.container(), st.container()
    shared, values = st.container(), st.container()
    with sampled:
        drawn = sentences.by_quantile(warehouse, chosen, corpora, lists)
    with shared:
        patterns.show(warehouse, neuron, corpora)
    with values:
        metadata.show(warehouse, neuron, corpora)
    with alike:
        related.similar(warehouse, chosen, corpora, sites)
        related.elsewhere(warehouse, chosen)
        related.concepts(warehouse, neuron)
    session.footer()
    session.import_models()
    with answer:
        own_text.show(warehouse, neuron, extent, chosen.text)
    if chosen.tokens and not loaded:
        _heat_maps(warehouse, chosen, legend, lists, drawn)
    if neuron.site == "ffn":
        with output:
            output_tokens.show(warehouse, neuron)


def _ask_ahead(warehouse: Warehouse, neuron: Neuron, corpora: tuple[str, ...], sites: Sequence[str]) -> None:
    """Begin to ask what the page asks after the sentences, the first needed first."""
    place, shared = (neuron, corpora), queries.shared_patterns
    annotator = shared.annotator_of(warehouse, corpora)
    session.ask_ahead(
        warehouse,
        *([(shared.typical_words, *place, annotator, shared.MOST_ROWS)] if annotator else []),
        (queries.neurons.metadata, *place, queries.neurons.MOST_VALUES),
        (queries.summary.classes, *place),
        related.first_asked(neuron, corpora, sites),
    )


def _of_prompts(warehouse: Warehouse, chosen: NeuronAddress, extent: Extent, known: Sequence[Extent]) -> None:
    """Show what there is of a neuron whose model was asked prompts and run over no corpus."""
    neuron = chosen.neuron
    left, right = st.columns([3, 2], gap="large")
    with left:
        related.concepts(warehouse, neuron)
        related.elsewhere(warehouse, chosen)
        own_text.box(_changed, (known, chosen))
        answer = st.container()
    with right:
        output = st.container()
        st.markdown("## Sentences")
        st.caption("This model was run over no corpus. This command adds what its neurons do there:")
        notices.commands(warehouse, "ingest activations --model MODEL")
    session.footer()
    session.import_models()
    with answer:
        own_text.show(warehouse, neuron, extent, chosen.text)
    with output:
        output_tokens.show(warehouse, neuron)


# -- choosing ----------------------------------------------------------------------------------------------


def _controls(chosen: NeuronAddress, extent: Extent, known: Sequence[Extent]) -> None:
    """Draw the widgets as the address says; what the user changes changes the address."""
    labels = list(dict.fromkeys(map(neuron_address.label, known)))
    sites = [other.site for other in known if neuron_address.label(other) == chosen.label]
    place = chosen.neuron
    st.session_state.update(
        {"model": chosen.label, "site": place.site, "layer": place.layer, "neuron": place.neuron, "k": chosen.k}
    )
    st.session_state.update({name: getattr(chosen, name) for name in ("tokens", "context", "text")})
    st.session_state["corpora"] = list(chosen.corpora)
    changed: dict[str, Any] = {"on_change": _changed, "args": (known, chosen)}
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        st.selectbox("Model@checkpoint", labels, key="model", width=250, **changed)
        st.selectbox("Site", sites, key="site", width=100, **changed)
        st.number_input("Layer", 0, extent.n_layers - 1, key="layer", width=110, **changed)
        st.number_input("Neuron", 0, extent.n_neurons - 1, key="neuron", width=120, **changed)
        with st.container(horizontal=True, width="content", key="steps"):
            for text, help_text, target in (
                ("Previous", "The neuron before this one", neuron_address.step(extent, chosen, -1)),
                ("Next", "The neuron after this one", neuron_address.step(extent, chosen, 1)),
                ("Random", "Any neuron of this model and site", neuron_address.any_neuron(extent, chosen)),
            ):
                st.button(text, help=help_text, on_click=_go, args=(target,))
        st.text_input(
            "Jump to",
            key="jump",
            placeholder="ffn/11/2485",
            help="SITE/LAYER/NEURON, LAYER_NEURON or MODEL@CHECKPOINT/SITE/LAYER/NEURON",
            width=140,
            on_change=_jumped,
            args=(known, chosen),
        )
        if not extent.corpora:  # nothing that could be shown in another way
            return
        with st.popover("View", help="Corpora, number of sentences, activation per token, context"):
            st.multiselect("Corpora", extent.corpora, key="corpora", placeholder="all", **changed)
            st.number_input("Sentences", 1, neuron_address.MAX_SENTENCES, step=5, key="k", **changed)
            st.toggle("Activation per token", key="tokens", **changed)
            around = "The sentences before and after, as the document has them"
            st.toggle("Context", key="context", help=around, **changed)


def _changed(known: Sequence[Extent], before: NeuronAddress) -> None:
    state = st.session_state
    extent = neuron_address.extent_of(known, state.model, state.site)
    place = Neuron(extent.model, extent.checkpoint, extent.site, state.layer, state.neuron)
    # The box is drawn after the rest: a page that is left early has none.
    text = state.get("text", before.text)
    _go(
        neuron_address.within(
            extent, NeuronAddress(place, tuple(state.corpora), state.k, state.tokens, state.context, text, before.find)
        )
    )


def _jumped(known: Sequence[Extent], chosen: NeuronAddress) -> None:
    text = st.session_state.jump.strip()
    if not text:
        return
    try:
        _go(neuron_address.jump(text, known, chosen))
        st.session_state.jump = ""
    except UsageError as error:
        st.session_state.jump_problem = str(error)


def _go(chosen: NeuronAddress) -> None:
    st.query_params.from_dict(chosen.address)


# -- showing -----------------------------------------------------------------------------------------------


def _heat_maps(
    warehouse: Warehouse, chosen: NeuronAddress, legend: Any, lists: Sequence[Shown], drawn: Sequence[Shown] = ()
) -> None:
    """Replace sentences by their heat maps; the strongest token of `lists` sets the colours, of `drawn` too."""
    try:
        with legend, st.spinner("Running the model over these sentences"):
            scale = sentences.heat_maps(warehouse, chosen, lists, lists)
            if drawn:
                sentences.heat_maps(warehouse, chosen, drawn, lists)
    except Exception as error:  # whatever torch, transformers or a hub says: the sentences are there without it
        legend.warning(notices.no_tokens(error))
        return
    legend.html(markup.colour_scale(scale))


def _levels(quantiles: Sequence[dict[str, Any]]) -> str:
    """Say the quantiles, for those who cannot see them."""
    return ", ".join(f"{row['level']:g} quantile {number(row['activation'])}" for row in quantiles)


def _distribution(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    bins = session.ask(warehouse, queries.neurons.histogram, neuron, tuple(corpora))
    domain = neuron_charts.extent(bins.records)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("## Distribution")
        log = st.toggle("Log scale", key="log", help="Logarithms of the numbers of sentences")
    quantiles = session.ask(warehouse, queries.neurons.quantiles, neuron, tuple(corpora))
    for corpus in dict.fromkeys(row["corpus"] for row in bins.records):
        of_corpus, title = bins.part("corpus", corpus), f"Sentences of {corpus} by activation"
        ticks = quantiles.part("corpus", corpus).records
        picture = neuron_charts.with_quantiles(of_corpus.records, ticks, title, domain, log)
        exhibits.chart(picture, of_corpus, title, _levels(ticks))
    levels = ", ".join(f"{row['level']:g}" for row in ticks)
    st.caption(f"Ticks at the upper edge: quantiles {levels}.")
    found = session.ask(warehouse, queries.neurons.statistics, neuron, tuple(corpora))
    named = [(name, [row[i] for row in found.rows]) for i, name in enumerate(found.columns)]
    rows = [(name.replace("_", " "), [number(value) for value in values]) for name, values in named[1:]]

    def statistics() -> None:
        st.html(markup.table(["", *map(str, named[0][1])], rows))
        exhibits.source(found, "Statistics of the activations")

    exhibits.when_opened("Mean, quantiles, shape", statistics)
