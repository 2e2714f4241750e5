"""The home page: what this warehouse holds, what is running, and where to begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address import place
from nwh.dashboards.html import plain_table
from nwh.dashboards.parts import exhibits, notices, top_bar
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.upkeep.status import behind, status

_JOBS, _JOBS_OPEN = 200, 8


@dataclass(frozen=True)
class _Page:
    """A page to begin at: where it is, what it answers, the relations it shows (any of them; all it
    can, where none is named), and the command that fills these."""

    path: str
    title: str
    answers: str
    shows: tuple[str, ...]
    command: str


_PAGES = (
    _Page(
        "neuron",
        "Neuron",
        "what excites one neuron, and what its sentences share",
        ("neuron_topk",),
        "ingest activations --model MODEL",
    ),
    _Page(
        "search",
        "Search",
        "which neurons have a word, a class or a concept, or fire on your text",
        ("neuron_stats", "attributions"),
        "ingest patterns --model MODEL",
    ),
    _Page(
        "concept",
        "Concept",
        "which neurons contribute to a concept, and what changing them does",
        ("attributions",),
        "ingest attributions --model MODEL --dataset NAME",
    ),
    _Page(
        "formation",
        "Formation",
        "how knowledge neurons form over training",
        ("attributions",),
        "ingest attributions --model MODEL --checkpoint all --dataset NAME",
    ),
    _Page(
        "layers",
        "Layers",
        "how layers differ, and whether dimensions keep their meaning across them",
        ("neuron_stats",),
        "ingest activations --model MODEL",
    ),
    _Page(
        "map",
        "Neuron map",
        "neurons of a layer that are excited by similar sentences",
        ("neuron_clusters",),
        "ingest clusters --model MODEL",
    ),
    _Page(
        "comparison",
        "Model comparison",
        "what training or fine-tuning changed between two checkpoints",
        ("checkpoint_distances", "neuron_matches"),
        "ingest distances --before MODEL --after MODEL --corpus NAME",
    ),
    _Page("sql", "SQL", "anything else, with the data dictionary beside it", (), ""),
)


def page() -> None:
    """Show what the warehouse holds."""
    st.title("Warehouse", anchor=False)
    st.markdown(
        "What language models' neurons did over text, kept to be asked. Below: where to begin, what is stored, and "
        "what is running."
    )
    warehouse = session.warehouse()
    for line in behind(warehouse):
        st.warning(f"{line[0].upper()}{line[1:]}.")
        notices.commands(warehouse, "upgrade")
    _begin(warehouse)
    _table(warehouse, "Models", queries.home.models, _MODELS)
    _table(warehouse, "Corpora", queries.home.corpora, _CORPORA)
    _table(warehouse, "Data sets of prompts", queries.home.datasets, _DATASETS)
    _jobs(warehouse)
    session.footer()


def _begin(warehouse: Warehouse) -> None:
    """Link the pages that have something to show, and say which commands fill the others."""
    stored = warehouse.snapshot
    with_rows = [each for each in _PAGES if not each.shows or any(map(stored.get, each.shows))]
    without = [each for each in _PAGES if each not in with_rows]
    addresses = top_bar.here()
    links = "".join(
        f'<li><a href="{escape(place.link(each.path, addresses.get(each.path, {})))}">{each.title}</a>: '
        f"{each.answers}</li>"
        for each in with_rows
    )
    st.markdown("## Where to begin")
    st.html(f"<ul>{links}</ul>")
    steps = [] if stored.get("corpora") else ["ingest corpus FILE --name NAME"]
    if stored.get("corpora") and not stored.get("annotations"):
        steps += ["ingest annotations --corpus NAME"]
    if not stored.get("prompts"):
        steps += ["ingest prompts FILE --dataset NAME"]
    steps += list(dict.fromkeys(each.command for each in without))
    if stored.get("neuron_stats") and not stored.get("neuron_patterns"):
        steps += ["ingest patterns --model MODEL"]
    if not steps:
        return
    if not stored.get("corpora") and not stored.get("prompts"):
        st.info("This warehouse is empty. These commands fill it; `nwh demo` makes a small one to look around in.")
        _commands(warehouse, steps)
        return
    with st.expander("Commands for what is missing"):
        _commands(warehouse, steps)


def _commands(warehouse: Warehouse, steps: Sequence[str]) -> None:
    ordered = sorted(dict.fromkeys(steps), key=lambda step: _ORDER.index(step.split()[1]))
    notices.commands(warehouse, *ordered)
    st.caption(notices.RELOAD)


_ORDER = ("corpus", "annotations", "activations", "patterns", "clusters", "distances", "prompts", "attributions")


def _number(label: str, help: str | None = None) -> Any:
    return st.column_config.NumberColumn(label, format="localized", help=help)


_MODELS: Mapping[str, Any] = {
    "n_checkpoints": _number("checkpoints"),
    "checkpoints": st.column_config.ListColumn("which", help="in order of training steps"),
    "n_layers": _number("layers"),
    "d_model": _number("hidden", "neurons per layer of site hidden"),
    "d_ffn": _number("ffn", "neurons per layer of site ffn"),
    "n_parameters": _number("parameters"),
    "sites": st.column_config.ListColumn("sites"),
    "corpora": st.column_config.ListColumn("run over"),
}
_CORPORA: Mapping[str, Any] = {
    "n_documents": _number("documents"),
    "n_sentences": _number("sentences"),
    "metadata": st.column_config.ListColumn("metadata"),
    "annotators": st.column_config.ListColumn("annotated by"),
}
_DATASETS: Mapping[str, Any] = {
    "dataset": "data set",
    "n_prompts": _number("prompts"),
    "n_concepts": _number("concepts"),
    "models": st.column_config.ListColumn("run on"),
}


def _table(
    warehouse: Warehouse, title: str, question: Callable[[Warehouse], Answer], columns: Mapping[str, Any]
) -> None:
    found = session.ask(warehouse, question)
    if found.rows:
        st.markdown(f"## {title}")
        exhibits.table(found, title, columns)


def _jobs(warehouse: Warehouse) -> None:
    """Show what `nwh status` shows: running and interrupted jobs with what they have done, then completed ones."""
    names, found = status(warehouse)
    jobs = [dict(zip(names, row, strict=True)) for row in found]
    st.markdown("## Jobs")
    under_way = [job for job in jobs if job["state"] != "complete"]
    for job in under_way:
        st.html(_under_way(job))
    if any(job["state"] == "interrupted" for job in under_way):
        st.caption("An interrupted job goes on where it stopped when its command is given again.")
    completed = sorted((job for job in jobs if job["state"] == "complete"), key=lambda job: job["finished_at"])
    if not completed:
        st.caption("No job has completed yet.")
        return
    shown = completed[: -_JOBS - 1 : -1]
    of = f"; {_JOBS} of {len(completed):,}" if len(completed) > _JOBS else ""
    st.caption(f"The last completed run of each job and unit, newest first{of}.")
    shown_of_each = ("job", "unit", "rows", "seconds", "finished_at")
    columns = {
        "rows": _number("rows stored"),
        "seconds": st.column_config.NumberColumn("seconds", format="%.1f"),
        "finished_at": st.column_config.DatetimeColumn("finished (UTC)"),
    }
    st.html(plain_table.draw(shown[:_JOBS_OPEN], columns, shown_of_each, "The last jobs"))
    if len(shown) > _JOBS_OPEN:
        with st.expander(f"{len(shown) - _JOBS_OPEN} earlier jobs"):
            st.html(plain_table.draw(shown[_JOBS_OPEN:], columns, shown_of_each, "Earlier jobs"))


def _under_way(job: Mapping[str, Any]) -> str:
    """Return a job that has not completed as HTML, with a bar where it has said how far it is."""
    head = f"<b>{escape(job['state'])}</b> {escape(job['job'])} {escape(job['unit'])}"
    done, total = job["done"], job["total"]
    if done is None or not total:
        return f"<p>{head}: no partial result saved yet</p>"
    bar = f'<progress value="{int(done)}" max="{int(total)}" aria-label="{escape(job["job"])}"></progress>'
    return f"<p>{head}: {int(done):,} of {int(total):,} saved {bar}</p>"
