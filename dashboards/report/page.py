"""The report as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any

from nwh.dashboards.html.markup import number
from nwh.dashboards.report.drawing import Picture
from nwh.dashboards.report.exhibits import SHOWN_ROWS, Exhibit, Missing

MARK = '<meta name="generator" content="nwh report">'
"""By this a page is known to be a report."""
# Whatever a corpus says, a browser loads nothing and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_WHOLE = {"layer", "neuron", "cluster", "rank", "k", "step", "sentence_id", "layer_a", "layer_b"}
_PERCENT = {"share", "corpus_share", "others_share", "share_found"}
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 60rem;
    padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0 0.3rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.5rem; border-bottom: 1px solid #ccc; }
nav ul { columns: 18rem; padding-left: 1.2rem; }
figure { margin: 1.5rem 0 2rem; }
figcaption { margin-bottom: 0.6rem; }
.wide { overflow-x: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.pictures svg, .pictures img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; vertical-align: top; border-top: 1px solid #ddd;
    white-space: pre-line; overflow-wrap: break-word; max-width: 28rem; }
thead th { border-top: none; color: #555; font-weight: normal; vertical-align: bottom; }
tbody th { font-weight: 600; }
.number { text-align: right; }
.foot { font-size: 0.85rem; color: #555; margin: 0.3rem 0 0; }
details { font-size: 0.85rem; }
summary { cursor: pointer; color: #555; }
pre { white-space: pre-wrap; background: #f5f5f5; padding: 0.6rem; margin: 0.3rem 0; font-size: 0.8rem; }
a { color: #0057a3; }
@media print { nav, .foot a { display: none; } figure { break-inside: avoid; } }
"""


def page(title: str, lead: str, sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return the page; sections: title and content (HTML of `exhibit` and `missing`)."""
    parts = list(sections)
    places = [f"section-{i}" for i in range(1, len(parts) + 1)]
    index = "".join(f'<li><a href="#{at}">{escape(name)}</a></li>' for at, (name, _) in zip(places, parts, strict=True))
    body = "\n".join(
        f'<section id="{at}"><h2>{escape(name)}</h2>\n' + "\n".join(content) + "</section>"
        for at, (name, content) in zip(places, parts, strict=True)
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{MARK}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header><h1>{escape(title)}</h1>\n"
        f"<p>{escape(lead)}</p></header>\n<nav><ul>{index}</ul></nav>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def exhibit(shown: Exhibit, label: str, pictures: Sequence[Picture], links: Sequence[str]) -> str:
    """Return a table or figure as HTML.

    label: `Table 3`. pictures: its charts; none for a table. links: its files, beside the page.
    """
    if pictures:
        content = f'<div class="pictures">{"".join(picture.html for picture in pictures)}</div>'
    else:
        content = _table(shown)
    files = ", ".join(f'<a href="{escape(link)}">{escape(link)}</a>' for link in links)
    statements = ";\n\n".join(shown.statements)
    return (
        f'<figure id="{label.lower().replace(" ", "-")}"><figcaption><b>{escape(label)}. {escape(shown.title)}.</b> '
        f"{escape(shown.about)}</figcaption>\n{content}\n"
        f'<p class="foot">{escape(_how_many(shown, bool(pictures)))}{files}</p>\n'
        f"<details><summary>SQL</summary><pre>{escape(statements)}</pre></details></figure>"
    )


def missing(what: Missing) -> str:
    """Return what is not there yet, with the commands that make it, as HTML."""
    if not what.commands:
        return f"<p>{escape(what.what)}</p>"
    one = len(what.commands) == 1
    lines = "\n".join(f"nwh {command}" for command in what.commands)
    return (
        f"<p>{escape(what.what)} {'This command makes' if one else 'These commands make'} them:</p>\n"
        f"<pre>{escape(lines)}</pre>"
    )


def _how_many(shown: Exhibit, is_figure: bool) -> str:
    n = len((shown.shown or shown.facts).rows)
    if not is_figure and n > SHOWN_ROWS:
        return f"The first {SHOWN_ROWS} of {n:,} rows; all: "
    return "Files: " if is_figure else "File: "


def _table(shown: Exhibit) -> str:
    answer = shown.shown or shown.facts
    rows = answer.rows[:SHOWN_ROWS]
    numeric = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(len(answer.columns))]
    classes = [' class="number"' if is_number else "" for is_number in numeric]
    head = "".join(
        f'<th scope="col"{of}>{escape(name.replace("_", " "))}</th>'
        for name, of in zip(answer.columns, classes, strict=True)
    )
    lines = []
    for row in rows:
        cells = [
            f"<td{of}>{escape(_cell(name, value))}</td>"
            for name, value, of in zip(answer.columns, row, classes, strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(shown.title)}">{table}</div>'


def _cell(column: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case list() | tuple():
            return ", ".join(map(str, value))
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case bool() | str():
            return str(value)
        case float() if column in _PERCENT:
            return f"{value:.1%}"
        case int() if column in _WHOLE:
            return str(value)
    return number(value)
