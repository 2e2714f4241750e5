"""The neuron page's part on metadata: the values of its top sentences, and how well it tells one from all others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.charts import neuron_charts
from nwh.dashboards.html import markup
from nwh.dashboards.parts import exhibits
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.neurons import MOST_VALUES
from nwh.warehouse.queries.shared_patterns import MOST_ROWS

_BARS, _WORDS = 10, 6
_ORDER = ("name", "auroc", "share", "corpus_share", "lift", "recall", "q_value", "support", "documents")
_columns = st.column_config
COLUMNS: dict[str, Any] = {
    "name": _columns.TextColumn("metadata"),
    "auroc": _columns.TextColumn(
        "AUROC",
        help="The chance that a sampled sentence with it activates the neuron more than one without (0.5: it tells "
        "nothing), with its 95 % interval",
    ),
    "share": _columns.NumberColumn("in top", format="percent", help="Precision: share of the top sentences with it"),
    "corpus_share": _columns.NumberColumn("in corpus", format="percent", help="Share of all sentences with it"),
    "lift": _columns.NumberColumn("lift", format="%.2f", help="In top / in corpus"),
    "recall": _columns.NumberColumn("recall", format="percent", help="Of all sentences with it: how many are in top"),
    "q_value": _columns.NumberColumn(
        "q", format="%.1e", help="Benjamini-Hochberg within this neuron, of the log-likelihood ratio test"
    ),
    "support": _columns.NumberColumn("sentences", help="Top sentences with it"),
    "documents": _columns.NumberColumn("documents", help="Documents that these sentences are of"),
}
"""How rows that a neuron may detect are shown; `auroc` as `markup.auroc` writes it."""


def show(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Show the values that the top sentences have, those rarer there than in the corpus apart."""
    st.markdown("## Metadata")
    found = session.ask(warehouse, queries.neurons.metadata, neuron, tuple(corpora), MOST_VALUES)
    rows = found.records
    if not rows:
        st.caption("The sentences of these corpora have no metadata; `nwh ingest corpus --metadata` keeps columns.")
        return
    shown = [
        {
            **row,
            "name": f"{row['key']} = {row['value']}" + (f" ({row['corpus']})" if len(corpora) > 1 else ""),
            "auroc": markup.auroc(row),
        }
        for row in rows
    ]
    st.caption(
        "Values of the stored top sentences, by the log-likelihood ratio (G2) against the corpus. AUROC: over sampled "
        "sentences of every activation."
    )
    title = "Metadata of the top sentences"
    more = [row for row in shown if row["lift"] >= 1]
    if more:
        picture = neuron_charts.shares(more[:_BARS], title)
        exhibits.table(found, title, COLUMNS, more, order=_ORDER, picture=picture, beside=True)
    if rarer := [row for row in shown if row["lift"] < 1]:
        about = "Metadata rarer in the top sentences"
        below = partial(exhibits.table, found, about, COLUMNS, rarer, order=_ORDER)
        exhibits.when_opened(f"{len(rarer)} rarer than in the corpus", below, opened=not more)


def separation(warehouse: Warehouse, chosen: NeuronAddress, corpora: Sequence[str]) -> None:
    """Show the activations on sentences with a metadata value or word beside those without: of what tells most.

    What was searched for comes first.
    """
    neuron, (kind, value) = chosen.neuron, chosen.found
    offered: dict[str, tuple[str, str, str]] = {}
    if kind == "metadata":
        key, _, of_key = value.partition("=")
        offered[f"{key} = {of_key}"] = (kind, key, of_key)
    if kind == "word" and " " not in value:
        offered[value] = (kind, "", value)
    for row in session.ask(warehouse, queries.neurons.metadata, neuron, tuple(corpora), MOST_VALUES).records[:_BARS]:
        offered.setdefault(f"{row['key']} = {row['value']}", ("metadata", row["key"], row["value"]))
    for row in _words(warehouse, neuron, corpora):
        offered.setdefault(f"{row['word']} ({row['class']})", ("word", row["class"], row["word"]))
    if not offered:
        return
    name = st.selectbox("Sentences with and without", list(offered), key="separation", width=290)
    bins = session.ask(warehouse, queries.samples.separation, neuron, tuple(corpora), *offered[name])
    if len({row["has"] for row in bins.records}) < 2:
        st.caption("No sampled sentence has it, or none lacks it.")
        return
    title = f"Sampled sentences with and without {name}"
    exhibits.chart(neuron_charts.separation(bins.records, title, name), bins, title)


def _words(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> list[dict[str, Any]]:
    annotator = queries.shared_patterns.annotator_of(warehouse, corpora)
    if annotator is None:
        return []
    asked = (neuron, tuple(corpora), annotator, MOST_ROWS)
    found: Answer = session.ask(warehouse, queries.shared_patterns.typical_words, *asked)
    return found.records[:_WORDS]
