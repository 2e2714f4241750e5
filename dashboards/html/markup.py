"""Text as it is: everything from a warehouse or an address is escaped here before a browser sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

TokenValue = tuple[int, int, float]
"""Start and end of a token in the characters of its text, and the neuron's activation there."""

# Colours that people with any colour vision tell apart; half transparent, so that they fit light and dark pages
# and leave the text a contrast of at least 4.5.
HIGH, LOW = "230, 97, 0", "67, 147, 229"
_OPACITY = 0.7

STYLE = (
    """<style>
.stMainBlockContainer { padding-top: 3.5rem; }
ol.nwh-sentences.nwh-sentences { list-style: none; margin: 0; padding: 0; }
ol.nwh-sentences.nwh-sentences li { margin: 0; padding: 0.45rem 0; border-top: 1px solid rgba(128, 128, 128, 0.25); }
.nwh-about { font-size: 0.8rem; opacity: 0.75; font-variant-numeric: tabular-nums; }
.nwh-text { margin: 0; line-height: 1.7; overflow-wrap: anywhere; white-space: pre-wrap; }
.nwh-token { border-radius: 3px; padding: 0.1em 0; }
.nwh-peak { text-decoration: underline 2px; text-underline-offset: 3px; }
.nwh-scale { display: flex; gap: 0.6rem; align-items: center; font-size: 0.8rem; flex-wrap: wrap; }
.nwh-ramp { width: 9rem; height: 0.8rem; border-radius: 3px; background: linear-gradient(to right,
    rgba(LOW, OPACITY), rgba(LOW, 0) 50%, rgba(HIGH, 0) 50%, rgba(HIGH, OPACITY)); }
.nwh-table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; width: 100%; }
.nwh-table th, .nwh-table td { padding: 0.2rem 0.6rem 0.2rem 0; text-align: right; font-weight: normal;
    border-top: 1px solid rgba(128, 128, 128, 0.25); }
.nwh-table th:first-child { text-align: left; }
.nwh-table thead th { border-top: none; opacity: 0.75; }
.nwh-table .nwh-left { text-align: left; min-width: 5.5rem; max-width: 26rem; overflow-wrap: anywhere; }
.nwh-wide { overflow-x: auto; }
.nwh-long { max-height: 25rem; overflow-y: auto; }
.nwh-long .nwh-table th:first-child:not(.nwh-left) { text-align: right; }
.nwh-long .nwh-table td, .nwh-long .nwh-table th { padding-right: 1rem; vertical-align: top; }
.nwh-context { margin: 0; font-size: 0.8rem; opacity: 0.75; overflow-wrap: anywhere; white-space: pre-wrap; }
.nwh-same { font-size: 0.8rem; }
.nwh-same summary { cursor: pointer; opacity: 0.75; }
.nwh-same div { padding: 0.2rem 0 0.2rem 1rem; overflow-wrap: anywhere; white-space: pre-wrap; }
pre.nwh-commands.nwh-commands { margin: 0; padding: 0.8rem 1rem; border-radius: 0.5rem; user-select: all;
    white-space: pre-wrap; overflow-wrap: anywhere; background: rgba(128, 128, 128, 0.12); }
.nwh-trees { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; align-items: flex-start; }
.nwh-trees figure { margin: 0; max-width: 100%; overflow-x: auto; }
.nwh-trees figcaption { font-size: 0.8rem; opacity: 0.75; text-align: center; font-variant-numeric: tabular-nums; }
ul.nwh-tree.nwh-tree, .nwh-tree.nwh-tree ul { display: flex; justify-content: center; position: relative;
    list-style: none; margin: 0; padding: 0; }
.nwh-tree.nwh-tree ul { padding-top: 0.7rem; }
.nwh-tree.nwh-tree li { position: relative; list-style: none; margin: 0; padding: 0.7rem 0.35rem 0;
    text-align: center; font-size: 0.875rem; }
ul.nwh-tree.nwh-tree > li { padding-top: 0; }
.nwh-tree ul::before { content: ""; position: absolute; top: 0; left: 50%; height: 0.7rem;
    border-left: 1px solid rgba(128, 128, 128, 0.7); }
.nwh-tree ul > li::before, .nwh-tree ul > li::after { content: ""; position: absolute; top: 0; width: 50%;
    height: 0.7rem; border-top: 1px solid rgba(128, 128, 128, 0.7); }
.nwh-tree ul > li::before { right: 50%; }
.nwh-tree ul > li::after { left: 50%; border-left: 1px solid rgba(128, 128, 128, 0.7); }
.nwh-tree ul > li:first-child::before, .nwh-tree ul > li:last-child::after { border-top: none; }
</style>""".replace("LOW", LOW)
    .replace("HIGH", HIGH)
    .replace("OPACITY", str(_OPACITY))
)


def code_span(text: str) -> str:
    """Return Markdown that shows a text as it is: a code span with more backticks around it than are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    shown = re.sub(r"\s+", " ", text)
    return f"{fence} {shown or ' '} {fence}" if longest or not shown.strip() else f"`{shown}`"


def number(value: Any) -> str:
    """Return a number for reading: whole ones in full, others to 4 digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}", 1)


def table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], links: Sequence[str] = ()) -> str:
    """Return an HTML table with a name at the head of each row; `links`: the address that each name leads to."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = ""
    for i, (name, cells) in enumerate(rows):
        shown = f'<a href="{escape(links[i])}">{escape(name)}</a>' if links else escape(name)
        body += f'<tr><th scope="row">{shown}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
    whole = f'<table class="nwh-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="nwh-wide">{whole}</div>'


def commands(lines: Iterable[str]) -> str:
    """Return commands as HTML: Streamlit's boxes of code take a browser 0.2 s, for what colours them."""
    text = "\n".join(map(escape, lines))
    return f'<pre class="nwh-commands" tabindex="0"><code>{text}</code></pre>'


def sentence_list(
    sentences: Sequence[dict[str, Any]], tokens: Sequence[list[TokenValue]] | None = None, scale: float = 0
) -> str:
    """Return sentences as an HTML list; with `tokens`, each as a heat map.

    sentences: rank, activation, corpus, text; where they are there also `before` and `after`, the sentences around
        it, and `same`, the sentences of nearly the same text that are not in the list themselves.
    scale: the activation, positive or negative, that gets the strongest colour.
    """
    items = []
    for i, sentence in enumerate(sentences):
        text = escape(sentence["text"]) if tokens is None else heat_map(sentence["text"], tokens[i], scale)
        before, after = (_context(sentence.get(side)) for side in ("before", "after"))
        items.append(
            f'<li><div class="nwh-about">{_about(sentence)}</div>{before}<p class="nwh-text" dir="auto">{text}</p>'
            f"{after}{_folded(sentence.get('same', ()))}</li>"
        )
    return f'<ol class="nwh-sentences">{"".join(items)}</ol>'


def _about(sentence: dict[str, Any]) -> str:
    return f"{sentence['rank']} · <b>{number(sentence['activation'])}</b> · {escape(sentence['corpus'])}"


def _context(text: str | None) -> str:
    return f'<p class="nwh-context" dir="auto">{escape(text)}</p>' if text else ""


def _folded(same: Sequence[dict[str, Any]]) -> str:
    if not same:
        return ""
    rows = "".join(f'<div dir="auto">{_about(each)}  {escape(each["text"])}</div>' for each in same)
    return f'<details class="nwh-same"><summary>and {len(same)} of nearly the same text</summary>{rows}</details>'


def heat_map(text: str, tokens: Sequence[TokenValue], scale: float) -> str:
    """Return a text as HTML, each token coloured by its activation, the strongest one underlined."""
    pieces, done = [], 0
    groups = _same_characters(tokens)
    peak = max((value for _, _, values in groups for value in values), key=abs, default=0.0)
    for start, end, values in groups:
        strongest = max(values, key=abs)
        share = min(1.0, abs(strongest) / scale) if scale else 0.0
        colour = f"rgba({HIGH if strongest > 0 else LOW}, {_OPACITY * share:.3f})"
        mark = " nwh-peak" if strongest == peak else ""
        title = ", ".join(map(number, values))
        pieces.append(
            f'{escape(text[done:start])}<span class="nwh-token{mark}" title="{title}" '
            f'style="background-color: {colour}">{escape(text[start:end])}</span>'
        )
        done = end
    return "".join(pieces) + escape(text[done:])


def colour_scale(scale: float) -> str:
    """Return the legend of heat maps as HTML."""
    return (
        f'<div class="nwh-scale"><span>activation at a token</span><span>{number(-scale)}</span>'
        f'<span class="nwh-ramp"></span><span>{number(scale)}</span><span>strongest token underlined</span></div>'
    )


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
