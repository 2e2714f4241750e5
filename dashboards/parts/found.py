"""The search page's table of neurons: how each was found, and a look at it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import MAX_TEXT, NeuronAddress
from nwh.dashboards.address.search_address import Search
from nwh.dashboards.html import markup
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.parts import exhibits
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer

_PREVIEW = 160
_PLACE = ("model", "checkpoint", "site", "layer", "neuron")
DETECTORS = "the best detectors first (AUROC; where it is unknown, by G2)"
ORDERS = {
    **dict.fromkeys(("word", "tag", "tree", "metadata"), DETECTORS),
    "concept": "the highest attribution first",
    "class": "the highest share first",
    "explanation": "the best explanations first (AUROC)",
    "text": "the farthest from their mean first (z)",
}
"""What is first in the result of each kind of search."""
CONFIG: dict[str, Any] = {
    "open": st.column_config.LinkColumn("page", display_text="open", pinned=True, width="small"),
    "scope": "corpora",
    "preview": st.column_config.TextColumn("first sentence", width="large", help="the one that moves the neuron most"),
    "share": st.column_config.NumberColumn("share", format="percent", help="of its sentences; of its prompts"),
    "corpus_share": st.column_config.NumberColumn("in corpus", format="percent"),
    "lift": st.column_config.NumberColumn("lift", format="%.2f", help="share / share in the corpus"),
    "q_value": st.column_config.NumberColumn(
        "q",
        format="%.1e",
        help="Benjamini-Hochberg of the log-likelihood ratio test over all neurons searched, of words, tags and "
        "subtrees in the half of the sentences by which they are chosen; of a class over what was compared with the "
        "neuron",
    ),
    "auroc": st.column_config.NumberColumn(
        "AUROC",
        format="%.3f",
        help="the chance that a sampled sentence with it activates the neuron more than one without (bottom: less)",
    ),
    "interval": st.column_config.TextColumn("95 %", help="interval of the AUROC, as if sentences were independent"),
    "recall": st.column_config.NumberColumn(
        "recall", format="percent", help="of all sentences with it: how many are among the neuron's"
    ),
    "generalises": st.column_config.TextColumn(
        "generalises",
        help="of the half of the sentences that did not choose it: share of the neuron's with it, and of the others",
    ),
    "support": st.column_config.NumberColumn("sentences"),
    "k": st.column_config.NumberColumn("of"),
    "attribution": st.column_config.NumberColumn("attribution", format="%.3g", help="mean, in probability"),
    "n_selected": st.column_config.NumberColumn("selected by"),
    "n_prompts": st.column_config.NumberColumn("of prompts"),
    "token": st.column_config.TextColumn(
        "at token", help="of your text, at which the neuron is highest (bottom: lowest); empty for a special token"
    ),
    "z": st.column_config.NumberColumn("z", format="%.2f", help="(activation - mean) / standard deviation"),
    **{name: st.column_config.NumberColumn(name, format="%.4g") for name in ("activation", "mean", "std")},
    **{name: st.column_config.NumberColumn(f"{name} stored", format="%.4g") for name in ("min", "max")},
}
EXPLANATIONS: dict[str, Any] = {
    **CONFIG,
    "explanation": st.column_config.TextColumn("explanation", width="large"),
    "auroc": st.column_config.NumberColumn("AUROC", format="%.3f", help="of a judge who knows the explanation alone"),
    "control_auroc": st.column_config.NumberColumn(
        "of another's", format="%.3f", help="AUROC with the explanation of another neuron of the layer"
    ),
    "balanced_accuracy": st.column_config.NumberColumn("balanced accuracy", format="%.3f"),
}


def show(
    warehouse: Warehouse, answer: Answer, chosen: Search, pages: Collection[tuple[str, str, str]]
) -> list[NeuronAddress]:
    """Show the neurons that were found; return the addresses of those that have a page.

    pages: model, checkpoint and site of these. What all rows have in common is said once.
    """
    places = [Neuron(*(row[name] for name in _PLACE)) for row in answer.records]
    with_page = [place for place in places if (place.model, place.checkpoint, place.site) in pages]
    first = {}
    if with_page:
        looked = session.ask(
            warehouse, queries.previews.first_sentences, tuple(with_page), chosen.filters.pole or "top"
        )
        first = {Neuron(*row[:5]): row[5] for row in looked.rows}
    rows, addresses = [], []
    for place, row in zip(places, answer.records, strict=True):
        address = NeuronAddress(place, text=chosen.text[:MAX_TEXT], find=chosen.found)
        about = {name: row[name] for name in _PLACE[2:]}
        rest = {name: value for name, value in row.items() if name not in _PLACE}
        link = address.link if place in with_page else None
        addresses += [address] * (link is not None)
        text = first.get(place, "")
        preview = {"preview": text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}\N{HORIZONTAL ELLIPSIS}"}
        rows.append({"open": link, "model": address.label, **about, **(preview if first else {}), **_told(rest)})
    same = {name: rows[0][name] for name in _COMMON if name in rows[0] and len({row[name] for row in rows}) == 1}
    same = same if len(rows) > 1 else {}
    if same:
        told = (f"{_COMMON[name]} {code_span(_of_all(name, value))}" for name, value in same.items())
        st.caption(f"All rows: {', '.join(told)}")
    config = EXPLANATIONS if chosen.by == "explanation" else CONFIG
    exhibits.grid(answer, "Neurons found", config, rows, [name for name in rows[0] if name not in same])
    return addresses


_COMMON = {
    "model": "model",
    "site": "site",
    "pole": "pole",
    "scope": "corpora",
    "corpus_share": "in corpus",
    "k": "sentences per neuron",
}


def _of_all(name: str, value: Any) -> str:
    return f"{value * 100:.3g}%" if name == "corpus_share" else str(value)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with bounds beside their area, and with what is held out in words."""
    bounds, told = markup.interval(row) if "auroc_low" in row else "", markup.generalises(row)
    hidden = {"auroc_low", "auroc_high", "heldout_share", "heldout_others_share"}
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name not in hidden:
            found[name] = value
        if name == "auroc" and "auroc_low" in row:
            found["interval"] = bounds
        if name == "heldout_others_share":
            found["generalises"] = told
    return found
