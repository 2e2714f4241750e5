"""The head of the neuron page: its name, one line on what it is, and how its activations were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.html import markup
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.parts import token_values
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.summary import Summary

_OTHER_LENGTH = 1.2
"""The ratio to the corpus's mean length, or its inverse, from which on length is worth a word."""
_HELP = (
    "From stored figures alone. AUROC: the chance that a sampled sentence with it activates the neuron more than one "
    "without (0.5: it tells nothing), with its 95 % interval. \N{MULTIPLICATION SIGN}: share of the top sentences over "
    "share of the corpus."
)


def head(neuron: Neuron) -> Any:
    """Show the neuron's name; return the place of what is said of it below, by `show` or `provenance`."""
    place = st.container(key="head", gap="small")
    place.title(neuron.within, anchor=False)
    return place


def show(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Show the neuron's summary, and how its activations were made."""
    found = queries.summary.summary(warehouse, neuron, tuple(corpora), session.ask)
    st.markdown(line(found, len(corpora) > 1), help=_HELP)
    provenance(warehouse, neuron, corpora)


def line(found: Summary, several: bool) -> str:
    """Return a summary as one line of Markdown; several: whether corpora have to be told apart."""

    def of(corpus: str) -> str:
        return f" ({code_span(corpus)})" if several else ""

    parts = []
    if found.words:
        words = ", ".join(dict.fromkeys(code_span(row["word"]) for row in found.words))
        best = found.words[0]
        parts.append(f"Words {words}{of(best['corpus'])}" + _area(best, f" for {code_span(best['word'])}"))
    if value := found.value:
        named = code_span(f"{value['key']} = {value['value']}")
        share = f"{value['share']:.0%} of its top sentences, \N{MULTIPLICATION SIGN}{value['lift']:.3g}"
        parts.append(f"{named}{of(value['corpus'])}: {share}" + _area(value))
    for row in found.lengths:
        ratio = row["mean_tokens"] / row["corpus_mean_tokens"]
        if not 1 / _OTHER_LENGTH < ratio < _OTHER_LENGTH:
            mean, whole = row["mean_tokens"], row["corpus_mean_tokens"]
            parts.append(f"{'long' if ratio > 1 else 'short'} sentences: {mean:.1f} tokens, corpus {whole:.1f}")
    parts.append(f"above 0 on {found.positive:.0%} of all sentences")
    parts += found.classes
    told = " \N{MIDDLE DOT} ".join(parts)
    return told[0].upper() + told[1:]


def _area(row: dict[str, object], of: str = "") -> str:
    return f", AUROC{of} {markup.auroc(row)}" if row["auroc"] is not None else ""


def provenance(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Say of which model the neuron is, and how each corpus's activations were made; alike ones once."""
    runs: dict[str, list[str]] = {}
    for row in session.ask(warehouse, queries.summary.provenance, neuron, tuple(corpora)).records:
        how = (
            f"a sentence's activation is the {token_values.OF_TOKENS[row['aggregate']]} its tokens; {row['k']:,} "
            f"sentences kept per pole; run of {row['started_at']:%Y-%m-%d %H:%M}, {row['dtype']} on {row['device']}"
        )
        runs.setdefault(how, []).append(code_span(row["corpus"]))
    told = "; ".join(f"{', '.join(names)}: {how}" for how, names in runs.items())
    st.caption(f"Of {code_span(f'{neuron.model}@{neuron.checkpoint}')}" + (f". {told}" if told else ""))
