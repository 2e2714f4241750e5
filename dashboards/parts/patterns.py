"""The neuron page's part on what the top sentences share: words, sequences, subtrees, parts of speech, length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import neuron_charts, tree_drawing
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer

_ROWS, _BARS, _TREES = 50, 12, 12
_SHOWN = ("name", "share", "corpus_share", "lift", "q_value", "mined_q_value", "heldout_auroc", "support")


def show(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Show the study's table 2 for a neuron, a tab for each part that something is stored for."""
    st.markdown("#### What the top sentences share")
    parts = queries.shared_patterns.parts(warehouse, neuron, tuple(corpora), _ROWS, session.ask)
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
        "Share of the top sentences that have it against its share in the corpus; q is the Benjamini-Hochberg value of "
        "the log-likelihood ratio test. Sequences and subtrees are chosen and ranked by one half of the sentences "
        "(mined q); the held-out AUROC says how well the pattern predicts which sentences of the other half are in the "
        "top (0.5: not at all)."
    )
    _tabs(parts, len(corpora) > 1)


@st.fragment
def _tabs(parts: dict[str, Callable[[], Answer]], several: bool) -> None:
    """Show one part, the others when they are session."""
    tabs = st.tabs([title.capitalize() for title in parts], key="parts", on_change="rerun")
    for tab, (title, ask_for) in zip(tabs, parts.items(), strict=True):
        if tab.open:
            with tab:
                _part(title, ask_for(), several)


def _part(title: str, answer: Answer, several: bool) -> None:
    rows = answer.records
    if not rows:
        st.caption("Nothing here is characteristic of the neuron at q ≤ 0.05.")
        return
    for row in rows:
        row["name"] = _name(row) + (f" ({row['corpus']})" if several and "corpus" in row else "")
    if title.startswith("subtrees"):
        captions = (f"lift {row['lift']:.2f}, {row['share']:.0%} of the top sentences" for row in rows)
        st.html(tree_drawing.draw_all(zip((row["pattern"] for row in rows[:_TREES]), captions, strict=False)))
    title = title.capitalize()
    columns = st.column_config
    exhibits.table(
        answer,
        title,
        {
            "name": columns.TextColumn(title),
            "share": columns.NumberColumn("in top", format="percent"),
            "corpus_share": columns.NumberColumn("in corpus", format="percent"),
            "lift": columns.NumberColumn("lift", format="%.2f"),
            "q_value": columns.NumberColumn("q", format="%.1e"),
            "mined_q_value": columns.NumberColumn("mined q", format="%.1e"),
            "heldout_auroc": columns.NumberColumn("held-out AUROC", format="%.3f"),
            "support": columns.NumberColumn("sentences"),
        },
        rows,
        order=[name for name in _SHOWN if name in rows[0]],
        picture=neuron_charts.shares(rows[:_BARS], title, "of its words" if "class" in rows[0] else "of sentences"),
    )


def _name(row: dict[str, Any]) -> str:
    return str(next(row[column] for column in ("word", "pattern", "class") if column in row))
