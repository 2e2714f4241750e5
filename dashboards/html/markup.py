"""Text as it is: everything from a warehouse or an address is escaped before a browser sees it, by the templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from nwh.dashboards.html.templates import macros, number

TokenValue = tuple[int, int, float]
"""Start and end of a token in the characters of its text, and the neuron's activation there."""

# Colours that people with any colour vision tell apart; half transparent, so that they fit light and dark pages
# and leave the text a contrast of at least 4.5.
HIGH, LOW = "230, 97, 0", "67, 147, 229"
_OPACITY = 0.7

_PARTS = macros("parts.html")
STYLE = str(_PARTS.style(HIGH, LOW, _OPACITY))


def code_span(text: str) -> str:
    """Return Markdown that shows a text as it is: a code span with more backticks around it than are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    shown = re.sub(r"\s+", " ", text)
    return f"{fence} {shown or ' '} {fence}" if longest or not shown.strip() else f"`{shown}`"


def table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], links: Sequence[str] = ()) -> str:
    """Return an HTML table with a name at the head of each row; `links`: the address that each name leads to."""
    return str(_PARTS.table(header, rows, links))


def auroc(row: Mapping[str, Any]) -> str:
    """Return an area with its bounds, of a row with `auroc`, `auroc_low` and `auroc_high`; nothing where it is null."""
    if row["auroc"] is None:
        return ""
    return f"{row['auroc']:.3f}" + (f"\N{NO-BREAK SPACE}({bounds})" if (bounds := interval(row)) else "")


def interval(row: Mapping[str, Any]) -> str:
    """Return the bounds alone; nothing where they are null."""
    return (
        "" if row["auroc_low"] is None else f"{row['auroc_low']:.2f}\N{EN DASH}\N{WORD JOINER}{row['auroc_high']:.2f}"
    )


def generalises(row: Mapping[str, Any]) -> str:
    """Return what the other half of the sentences has of a pattern; nothing where that is not known."""
    if row.get("heldout_others_share") is None:
        return ""
    return f"{row['heldout_share']:.0%}, others {row['heldout_others_share']:.1%}"


def heading(text: str) -> Markup:
    """Return a text as a small heading."""
    return Markup("<h4>{}</h4>").format(text)


def histogram(bins: Sequence[dict[str, Any]]) -> str:
    """Return a histogram as a picture, sentences by activation; several corpora one over the other.

    bins: rows of `queries.neurons.histogram`.
    """
    low, high = min(each["low"] for each in bins), max(each["high"] for each in bins)
    most = max(each["sentences"] for each in bins)
    width = (high - low) or 1.0
    bars = [
        (
            400 * (each["low"] - low) / width,
            400 * max(each["high"] - each["low"], width / 400) / width,
            80 * each["sentences"] / most,
        )
        for each in bins
        if each["sentences"]
    ]
    return str(_PARTS.histogram(bars, low, high, most, HIGH))


def commands(lines: Iterable[str]) -> str:
    """Return commands as HTML."""
    return str(_PARTS.commands(lines))


def sentence_list(
    sentences: Sequence[dict[str, Any]],
    tokens: Sequence[list[TokenValue]] | None = None,
    scale: float = 0,
    words: Sequence[str] = (),
) -> str:
    """Return sentences as an HTML list; with `tokens`, each as a heat map.

    sentences: rank, activation, text; where they are there also corpus, doc_id, `before` and `after`, the sentences
        around it, and `same`, the sentences of nearly the same text that are not in the list themselves.
    scale: the activation, positive or negative, that gets the strongest colour. words: those to be marked.
    """
    texts = [sentence["text"] for sentence in sentences]
    looked_for = _whole(words)
    if tokens is not None:
        texts = [
            Markup(heat_map(text, values, scale, _spans(looked_for, text)))
            for text, values in zip(texts, tokens, strict=True)
        ]
    elif words:
        texts = [Markup(_marked(text, _spans(looked_for, text))) for text in texts]
    return str(_PARTS.sentence_list(sentences, texts))


def _whole(words: Sequence[str]) -> re.Pattern[str]:
    """Return what finds any of some words where they stand by themselves, whatever their case."""
    return re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words), re.IGNORECASE)


def _spans(looked_for: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [found.span() for found in looked_for.finditer(text)] if looked_for.pattern else []


def _marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in spans:
        pieces.append(f'{escape(text[done:start])}<span class="nwh-found">{escape(text[start:end])}</span>')
        done = end
    return "".join(pieces) + escape(text[done:])


def heat_map(text: str, tokens: Sequence[TokenValue], scale: float, found: Sequence[tuple[int, int]] = ()) -> str:
    """Return a text as HTML, each token coloured by its activation, the strongest underlined, words found outlined.

    found: start and end of these in the text. No template: one takes four times as long for the thousands of tokens
    of a page.
    """
    pieces, done = [], 0
    groups = _same_characters(tokens)
    peak = max((value for _, _, values in groups for value in values), key=abs, default=0.0)
    for start, end, values in groups:
        strongest = max(values, key=abs)
        share = min(1.0, abs(strongest) / scale) if scale else 0.0
        colour = f"rgba({HIGH if strongest > 0 else LOW}, {_OPACITY * share:.3f})"
        mark = " nwh-peak" if strongest == peak else ""
        mark += " nwh-found" if any(start < last and first < end for first, last in found) else ""
        title = ", ".join(map(number, values))
        pieces.append(
            f'{escape(text[done:start])}<span class="nwh-token{mark}" title="{title}" '
            f'style="background-color: {colour}">{escape(text[start:end])}</span>'
        )
        done = end
    return "".join(pieces) + escape(text[done:])


def colour_scale(scale: float) -> str:
    """Return the legend of heat maps as HTML."""
    return str(_PARTS.colour_scale(scale))


def _same_characters(tokens: Sequence[TokenValue]) -> list[tuple[int, int, list[float]]]:
    """Join tokens that share characters (the bytes of one character can be several tokens)."""
    groups: list[tuple[int, int, list[float]]] = []
    for start, end, value in tokens:
        if groups and start < groups[-1][1]:
            first, last, values = groups[-1]
            groups[-1] = (first, max(last, end), [*values, value])
        else:
            groups.append((start, end, [value]))
    return groups
