"""The report as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from nwh.dashboards.charts.drawing import Picture
from nwh.dashboards.html.templates import macros, number
from nwh.dashboards.report.exhibits import SHOWN_ROWS, Exhibit

MARK = '<meta name="generator" content="nwh report">'
"""By this a page is known to be a report."""
_REPORT = macros("report.html")
_WHOLE = {"layer", "neuron", "cluster", "rank", "k", "step", "sentence_id", "layer_a", "layer_b"}
_PERCENT = {"share", "corpus_share", "others_share", "share_found", "recall"}


def page(title: str, lead: str, sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return the page; sections: title and content (HTML of `exhibit` and `references`)."""
    return str(_REPORT.page(title, lead, list(sections), MARK))


def exhibit(shown: Exhibit, label: str, pictures: Sequence[Picture], links: Sequence[str]) -> str:
    """Return a table or figure as HTML.

    label: `Table 3`. pictures: its charts; none for a table. links: its files, beside the page.
    """
    answer = shown.shown or shown.facts
    header, rows, numeric = cells(shown)
    return str(_REPORT.exhibit(shown, label, pictures, links, header, rows, numeric, len(answer.rows)))


def cells(shown: Exhibit) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return the printed table of an exhibit: its header, its rows as text, and which columns hold numbers."""
    answer = shown.shown or shown.facts
    rows = answer.rows[:SHOWN_ROWS]
    numeric = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(len(answer.columns))]
    text = [[_cell(name, value) for name, value in zip(answer.columns, row, strict=True)] for row in rows]
    return [name.replace("_", " ") for name in answer.columns], text, numeric


def references(works: Sequence[str], file: str) -> str:
    """Return the list of cited works as HTML; file: the same as BibTeX."""
    return str(_REPORT.references(works, file))


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
