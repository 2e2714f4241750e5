"""Tables of few rows as HTML: drawn at once, read and followed from the keyboard, in the page's own colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nwh.dashboards.html import markup

MOST_ROWS = 100
"""Tables of more are grids, which draw what is in sight alone and sort by any column."""
_EMPTY: Mapping[str, Any] = {}


def draw(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Any], order: Sequence[str] | None = None) -> str:
    """Return rows as an HTML table that scrolls where it is long or wide.

    columns: Streamlit's configuration (a title, or one with a format) of those that have one. order: which are shown,
    all where it is null.
    """
    names = list(rows[0]) if order is None else list(order)
    configured = {name: columns.get(name) or {"label": None} for name in names}
    settings = {name: each if isinstance(each, Mapping) else {"label": each} for name, each in configured.items()}
    left = {name for name in names if any(isinstance(row[name], (str, list, tuple)) for row in rows)}
    head = "".join(_title(name, settings[name], name in left) for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_CLASS if name in left else ''}>{_cell(row[name], settings[name].get('type_config') or _EMPTY)}</td>"
            for name in names
        )
        + "</tr>"
        for row in rows
    )
    table = f'<table class="nwh-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="nwh-wide nwh-long" tabindex="0">{table}</div>'


_CLASS = ' class="nwh-left"'


def _title(name: str, setting: Mapping[str, Any], left: bool) -> str:
    about = f' title="{escape(setting["help"])}"' if setting.get("help") else ""
    return f'<th scope="col"{_CLASS if left else ""}{about}>{escape(setting.get("label") or name)}</th>'


def _cell(value: Any, kind: Mapping[str, Any]) -> str:
    """Return a value as Streamlit's grid would show it: null as nothing, lists by commas, addresses as links."""
    if value is None or value != value:
        return ""
    if kind.get("type") == "link":
        return f'<a href="{escape(value)}">{escape(kind.get("display_text") or value)}</a>'
    if isinstance(value, (list, tuple)):
        return escape(", ".join(map(str, value)))
    format = kind.get("format")
    if kind.get("type") == "datetime":
        return f"{value:%Y-%m-%d %H:%M}"
    if format == "percent":
        return f"{value:.2%}"
    if format == "localized":
        return f"{value:,}"
    if format:
        return escape(str(format % value)).replace("-", "\N{MINUS SIGN}", 1)
    return markup.number(value) if isinstance(value, float) else escape(str(value))
