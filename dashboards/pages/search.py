"""The search page: neurons by what excites them, what they tell apart, what they know, or what fires on a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address import neuron_address
from nwh.dashboards.address.place import fullest
from nwh.dashboards.address.search_address import CLASSES, KINDS, MAX_ROWS, NEED_MODEL, POLES, SITES, Search, read
from nwh.dashboards.charts.tree_drawing import parse
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import found, knowledge, notices, token_values
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.neurons import Extent

_ANY, _VALUES = "any", 1000
_PATTERNS = ("word", "tag", "tree")
_EXAMPLES = {"word": "not", "tag": "DT JJ NN", "explanation": "dates"}


def page() -> None:
    """Show the neurons that the address asks for."""
    st.title("Search", anchor=False)
    st.set_page_config(page_title="Search \N{MIDDLE DOT} nwh")
    warehouse = session.warehouse()
    extents = session.ask(warehouse, queries.neurons.extents)
    series = session.ask(warehouse, queries.knowledge.all_series)
    labels = {neuron_address.label(extent): None for extent in extents}
    models = list(labels | {f"{of.model}@{checkpoint}": None for of in series for checkpoint in of.checkpoints})
    wanted, problems = read(st.query_params, models)
    if problems:
        notices.wrong_address(problems, "Search without it", _go, wanted)
        return
    st.markdown(f"{wanted.kind.about} The search is in the address, to be shared.")
    controls = st.container(horizontal=True, vertical_alignment="bottom", key="controls")
    with controls:
        _choose_kind(wanted)
    if not _has(warehouse, wanted, bool(extents), bool(series)):
        _empty(warehouse, wanted.by)
        return
    chosen, options = _settled(warehouse, wanted, extents, models)
    if "text" in chosen.kind.takes:
        placeholder = "Any text; press Ctrl+Enter"
        st.text_area("Text", placeholder=placeholder, height=90, **_widget(chosen, "text"))
    with controls:
        _controls(warehouse, chosen, options)
    answer = _answer(warehouse, chosen, extents)
    if answer is not None:
        _show(warehouse, answer, chosen)
    session.footer()
    if chosen.by == "text":
        session.import_models()


# -- choosing ----------------------------------------------------------------------------------------------


def _choose_kind(wanted: Search) -> None:
    st.session_state["search_by"] = wanted.by
    titles = {name: kind.title for name, kind in KINDS.items()}
    st.selectbox(
        "Find neurons by",
        list(KINDS),
        key="search_by",
        format_func=titles.__getitem__,
        width=210,
        on_change=_changed,
        args=(wanted, ["by"]),
    )


def _has(warehouse: Warehouse, wanted: Search, activations: bool, knowledge: bool) -> bool:
    """Return whether there is anything that this kind of search could find."""
    stored = warehouse.snapshot
    if wanted.by in _PATTERNS:
        kinds = queries.search.patterns_stored(warehouse)
        return any(row["kind"] == wanted.by for row in kinds)
    if wanted.by == "explanation":
        return bool(stored.get("explanations"))
    return {"concept": knowledge, "metadata": activations and bool(stored.get("sentence_metadata"))}.get(
        wanted.by, activations
    )


def _widget(chosen: Search, name: str) -> dict[str, Any]:
    """Return what ties a widget to a field of the search, having put its value there."""
    st.session_state[f"search_{name}"] = getattr(chosen, name)
    return {"key": f"search_{name}", "on_change": _changed, "args": (chosen, [*chosen.kind.takes, "rows"])}


def _controls(warehouse: Warehouse, chosen: Search, options: dict[str, list[str]]) -> None:
    """Draw the widgets as the address says, but for a text."""
    takes = chosen.kind.takes

    def select(name: str, label: str, width: int) -> None:
        if name in takes:
            some = list(dict.fromkeys([*options[name], getattr(chosen, name)]))
            st.selectbox(
                label,
                some,
                format_func=lambda value: value or ("choose" if name == "value" else _ANY),
                width=width,
                **_widget(chosen, name),
            )

    if "pattern" in takes:
        example = _EXAMPLES.get(chosen.by) or session.ask(warehouse, queries.search.subtree)
        label = chosen.kind.title.capitalize()
        st.text_input(label, placeholder=f"such as {example}", width=290, **_widget(chosen, "pattern"))
    select("key", "Metadata key", 150)
    select("value", "Value", 190)
    select("dataset", "Data set", 190)
    select("concept", "Concept", 190)
    select("name", "Class", 190)
    select("model", "Model@checkpoint", 250)
    select("site", "Site", 100)
    select("scope", "Corpora", 170)
    if "layers" in takes:
        st.text_input("Layers", placeholder="all; 3; 2-5", width=120, **_widget(chosen, "layers"))
    select("pole", "Pole", 110)
    if "lift" in takes:
        st.number_input("Lift at least", 0.0, 1e9, step=0.5, width=130, **_widget(chosen, "lift"))
        st.number_input("q at most", 0.0, 1.0, step=0.01, format="%g", width=130, **_widget(chosen, "q"))
    st.number_input("Rows", 1, MAX_ROWS, step=50, width=130, **_widget(chosen, "rows"))


def _settled(
    warehouse: Warehouse, wanted: Search, extents: Sequence[Extent], models: Sequence[str]
) -> tuple[Search, dict[str, list[str]]]:
    """Return a search with what it cannot go without, and what can be chosen for each field."""
    options: dict[str, list[str]] = {"pole": list(POLES), "name": list(CLASSES), "site": ["", *SITES]}
    scopes = {corpus for extent in extents for corpus in extent.corpora}
    options["model"] = ["", *models]
    if wanted.by in _PATTERNS or wanted.by == "class":
        stored = queries.search.patterns_stored(warehouse)
        mined = {row["scope"] for row in stored if wanted.by in ("class", row["kind"])}
        scopes = mined | (scopes if wanted.by == "class" else set())
    elif wanted.by == "metadata":
        keys = {row["key"]: row for row in session.ask(warehouse, queries.search.metadata_values, _VALUES).records}
        key = wanted.key or next(iter(keys))
        about = keys.get(key, {"common": [], "corpora": []})
        wanted = replace(wanted, key=key)
        options |= {"key": list(keys), "value": ["", *about["common"]]}
        scopes &= set(about["corpora"])
    elif wanted.by == "concept":
        series = session.ask(warehouse, queries.knowledge.all_series)
        dataset = wanted.dataset or series[0].dataset
        concepts = list(dict.fromkeys(c for of in series if of.dataset == dataset for c in of.concepts))
        if not wanted.concept:
            of = knowledge.fullest([each for each in series if each.dataset == dataset])
            best = session.ask(warehouse, queries.knowledge.best_known, of.model, dataset, of.checkpoints[-1])
            wanted = replace(wanted, concept=best.rows[0][0] if best.rows else next(iter(concepts), ""))
        wanted = replace(wanted, dataset=dataset)
        options |= {"dataset": list(dict.fromkeys(of.dataset for of in series)), "concept": concepts}
    if wanted.by in NEED_MODEL:
        labels = list(dict.fromkeys(map(neuron_address.label, extents)))
        model = wanted.model if wanted.model in labels else fullest(extents)
        sites = [extent.site for extent in extents if neuron_address.label(extent) == model]
        options |= {"model": labels, "site": ["", *sites] if wanted.by == "metadata" else sites}
        wanted = replace(wanted, model=model, site=wanted.site if wanted.site in options["site"] else sites[0])
    options["scope"] = ["", *sorted(scopes)]
    if wanted.by == "class":
        wanted = replace(wanted, name=wanted.name or CLASSES[0])
    return wanted, options


def _changed(before: Search, names: Sequence[str]) -> None:
    """Put what the widgets say into the address; another key or data set starts from its own values."""
    state = st.session_state
    now = {name: state[f"search_{name}"] for name in names if f"search_{name}" in state}
    if now.get("key", before.key) != before.key:
        now |= {"value": "", "scope": ""}
    if now.get("dataset", before.dataset) != before.dataset:
        now["concept"] = ""
    _go(replace(before, **now))


def _go(wanted: Search) -> None:
    st.query_params.from_dict(wanted.address)


# -- answers -----------------------------------------------------------------------------------------------


def _answer(warehouse: Warehouse, chosen: Search, extents: Sequence[Extent]) -> Answer | None:
    """Return the neurons found, one more than is shown where there are more; null where nothing is asked yet."""
    filters, limit = chosen.filters, chosen.rows + 1
    with st.spinner("Searching"):
        if chosen.by in (*_PATTERNS, "explanation"):
            if not chosen.pattern.strip():
                st.info("Type what the sentences share.")
                return None
            if chosen.by == "explanation":
                return session.ask(warehouse, queries.search.by_explanation, chosen.pattern, filters, limit)
            several = tuple(queries.any_word.alternatives(chosen.pattern)) if chosen.by == "word" else ()
            if len(several) > 1:
                return session.ask(warehouse, queries.any_word.by_any, several, filters, limit)
            return session.ask(warehouse, queries.search.by_pattern, chosen.by, chosen.pattern, filters, limit)
        if chosen.by == "metadata":
            if not chosen.value:
                st.info("Choose a value.")
                return None
            return session.ask(warehouse, queries.search.by_metadata, chosen.key, chosen.value, filters, limit)
        if chosen.by == "concept":
            return session.ask(warehouse, queries.search.by_concept, chosen.dataset, chosen.concept, filters, limit)
        if chosen.by == "class":
            return session.ask(warehouse, queries.search.by_class, chosen.name, filters, limit)
        return _firing(warehouse, chosen, neuron_address.extent_of(extents, chosen.model, chosen.site))


def _firing(warehouse: Warehouse, chosen: Search, extent: Extent) -> Answer | None:
    if not chosen.text.strip():
        st.info("Type a text: the model then runs on it.")
        return None
    how = session.ask(warehouse, queries.search.aggregation, extent)
    try:
        whole = token_values.text_values(warehouse, extent, chosen.text, how)
    except Exception as error:  # whatever torch, transformers or a hub says of a model that cannot be run
        st.warning(f"The model did not run on this text: {notices.reason(error)}")
        return None
    over = ", ".join(map(code_span, how.corpora))
    st.caption(
        f"Activation: {token_values.OF_TOKENS[how.aggregate]} the text's tokens. Mean and standard deviation (std) are "
        f"over {over}."
        + ("" if whole.stored else " Sentences of fewer than 3 tokens are not among these: z is against longer ones.")
    )
    if cut := token_values.not_read(chosen.text, whole.spans):
        st.caption(cut)
    found = session.ask(
        warehouse, queries.search.by_activation, whole.activations, how.corpora, chosen.filters, chosen.rows + 1
    )
    strongest = whole.lowest if chosen.pole == "bottom" else whole.highest
    at = [whole.spans[strongest[row["layer"], row["neuron"]]] for row in found.records]
    tokens = [(*row, chosen.text[slice(*span)]) for row, span in zip(found.rows, at, strict=True)]
    return Answer([*found.columns, "token"], tokens)


def _show(warehouse: Warehouse, answer: Answer, chosen: Search) -> None:
    """Show neurons as a table; those that have a page have a link to it."""
    known = queries.knowledge.extents_with_prompts(warehouse, session.ask)
    pages = {(extent.model, extent.checkpoint, extent.site) for extent in known}
    shown = answer.first(chosen.rows) if len(answer.rows) > chosen.rows else answer
    if not shown.rows:
        st.info("No neuron is found: lower the bounds, or search for something more frequent.")
        if chosen.by in _PATTERNS:
            st.caption(_why_none(warehouse, chosen))
        return
    more = " There are more: narrow the search, or show more rows." if shown is not answer else ""
    st.markdown(f"**{len(shown.rows):,}** rows, {found.ORDERS[chosen.by]}.{more}")
    if addresses := found.show(warehouse, shown, chosen, pages):
        neuron.open_one(addresses)


def _why_none(warehouse: Warehouse, chosen: Search) -> str:
    """Say in Markdown why no neuron has a pattern."""
    rare = "Patterns below the `--min-support` of `nwh ingest patterns` are not stored."
    if chosen.by == "tree":
        if parse(chosen.pattern) is None:
            return "This is no tree: each opening parenthesis needs a label and a closing one, as in `(NP (DT) (NN))`."
        return rare
    if "|" in chosen.pattern:
        return (
            f"That is so of each of {', '.join(map(code_span, queries.any_word.alternatives(chosen.pattern)))}. {rare}"
        )
    there = session.ask(warehouse, queries.search.sentences_with, chosen.by, chosen.pattern).records
    counted = ", ".join(f"{row['n']:,} of {code_span(row['corpus'])}" for row in there)
    told = f"Annotated sentences with all of it: {counted}. {rare}" if there else "No annotated sentence has all of it."
    if any(not re.search(r"\w", item) for item in chosen.pattern.split()):
        told += " Punctuation is not mined: patterns hold what has a letter or a digit."
    return told


def _empty(warehouse: Warehouse, by: str) -> None:
    """Say which commands make what this kind of search reads."""
    first, steps = {
        "metadata": (["sentence_metadata", "neuron_stats"], []),
        "concept": (["prompts"], ["ingest attributions --model MODEL --dataset NAME"]),
        "class": (["corpora", "neuron_stats"], []),
        "explanation": (["corpora", "neuron_stats"], ["ingest explanations --model MODEL"]),
        "text": (["corpora", "neuron_stats"], []),
    }.get(by, (["corpora", "neuron_stats", "annotations"], ["ingest patterns --model MODEL"]))
    notices.empty(warehouse, "nothing that this search could find", *steps, first=first)
