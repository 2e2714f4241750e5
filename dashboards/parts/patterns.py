"""The neuron page's part on what the top sentences share: words, sequences, subtrees, parts of speech, length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import neuron_charts, tree_drawing
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits, metadata
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.shared_patterns import MOST_ROWS

_BARS, _TREES, _ALSO, _TOLD = 12, 12, 4, 150
_SHOWN = (
    *("name", "auroc", "share", "corpus_share", "lift", "recall", "q_value", "mined_q_value", "generalises"),
    *("support", "documents", "more"),
)


def show(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Show the study's table 2 for a neuron, a tab for each part that something is stored for."""
    st.markdown("## What the top sentences share")
    parts = queries.shared_patterns.parts(warehouse, neuron, tuple(corpora), MOST_ROWS, session.ask)
    lengths = session.ask(warehouse, queries.shared_patterns.mean_length, neuron, tuple(corpora))
    for row in lengths.records:
        if row["pole"] == "top":
            corpus = markup.code_span(row["corpus"])
            st.markdown(
                f"Mean length in {corpus}: **{row['mean_tokens']:.1f}** tokens (corpus {row['corpus_mean_tokens']:.1f})"
            )
    if not parts:
        st.caption(
            "`nwh ingest annotations` finds words, tags and trees of these corpora, `nwh ingest patterns` what a "
            "neuron's sentences share of them; this part then shows it."
        )
        return
    st.caption(
        "The most telling first, by the log-likelihood ratio (G2) of the top sentences against the corpus. Sequences "
        "and subtrees are chosen by one half of the sentences; *generalises* says how many top sentences of the other "
        "half have them, and how many of its others. AUROC says how well the neuron's activation tells sampled "
        "sentences with it from those without."
    )
    _tabs(parts, partial(_told_apart, warehouse, neuron, tuple(corpora)), len(corpora) > 1)


def _told_apart(
    warehouse: Warehouse, neuron: Neuron, corpora: tuple[str, ...], kind: str, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return patterns of different sentences, with their documents; all, where gaps were limited in mining."""
    (scope, annotator), *_ = session.ask(warehouse, queries.shared_patterns.mined_over, neuron, corpora)
    place = {name: getattr(neuron, name) for name in ("model", "checkpoint", "site")}
    run = warehouse.units.stored("patterns", {**place, "scope": scope, "kind": kind, "pole": "top"})
    if run is None or run.settings.get("max_gap") is not None:
        return rows
    texts = session.ask(warehouse, queries.shared_patterns.texts_of_pole, neuron, scope, kind, annotator)
    return queries.closed_patterns.told_apart(rows, kind, texts.rows)


@st.fragment
def _tabs(parts: dict[str, Callable[[], Answer]], told_apart: Callable[..., Any], several: bool) -> None:
    """Show one part, the others when they are session."""
    tabs = st.tabs([title.capitalize() for title in parts], key="parts", on_change="rerun")
    for tab, (title, ask_for) in zip(tabs, parts.items(), strict=True):
        if tab.open:
            with tab:
                _part(title, ask_for(), told_apart, several)


def _part(title: str, answer: Answer, told_apart: Callable[..., Any], several: bool) -> None:
    rows = answer.records
    if not rows:
        st.caption("Nothing here is characteristic of the neuron at q ≤ 0.05.")
        return
    kind = next((kind for kind, start in queries.shared_patterns.TITLES.items() if title.startswith(start)), None)
    if kind:
        rows = told_apart(kind, queries.closed_patterns.fold(rows, kind)[:_TOLD])[:MOST_ROWS]
    rows = [{**row, **_told(row, several)} for row in rows]
    if title.startswith("subtrees"):
        captions = (f"lift {row['lift']:.2f}, {row['share']:.0%} of the top sentences" for row in rows)
        st.html(tree_drawing.draw_all(zip((row["pattern"] for row in rows[:_TREES]), captions, strict=False)))
    title = title.capitalize()
    columns = st.column_config
    settings = {
        **metadata.COLUMNS,
        "name": columns.TextColumn(title),
        "mined_q_value": columns.NumberColumn("q", format="%.1e", help="Of the half of the sentences that chose it"),
        "generalises": columns.TextColumn(
            "generalises", help="Of the other half of the sentences: share of the top ones with it, and of the others"
        ),
        "more": columns.TextColumn("also", help="Other spellings; patterns that it contains, or of the same sentences"),
    }
    picture = neuron_charts.shares(rows[:_BARS], title, "of its words" if "class" in rows[0] else "of sentences")
    order = [name for name in _SHOWN if name in rows[0] and any(row[name] not in (None, "") for row in rows)]
    exhibits.table(answer, title, settings, rows, order=order, picture=picture, beside=True)


def _told(row: dict[str, Any], several: bool) -> dict[str, Any]:
    """Return the columns that a row is shown with beside its own."""
    told = {"name": _name(row) + (f" ({row['corpus']})" if several and "corpus" in row else "")}
    if "auroc" in row:
        told["auroc"] = markup.auroc(row)
    if "heldout_share" in row:
        told["generalises"] = markup.generalises(row)
    others = row.get("also") or row.get("contains") or []
    shown = ", ".join(others[:_ALSO])
    told["more"] = shown + (f" and {len(others) - _ALSO} more" if len(others) > _ALSO else "")
    return told


def _name(row: dict[str, Any]) -> str:
    return str(next(row[column] for column in ("word", "pattern", "class") if column in row))
