"""Tables of few rows as HTML: drawn at once, read and followed from the keyboard, in the page's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nwh.dashboards.html.templates import macros, number

MOST_ROWS = 100
"""Tables of more are grids, which draw what is in sight alone and sort by any column."""
_PROSE = 30
"""Characters from which on a text is read as a sentence."""
_PARTS = macros("parts.html")


def draw(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Any],
    order: Sequence[str] | None = None,
    about: str = "rows",
) -> str:
    """Return rows as an HTML table that scrolls where it is long or wide.

    columns: Streamlit's configuration (a title, or one with a format) of those that have one. order: which are shown,
    all where it is null. about: what they are, said by screen readers.
    """
    names = list(rows[0]) if order is None else list(order)
    settings = with_titles(names, columns)
    kinds = {name: setting.get("type_config") or {} for name, setting in settings.items()}
    head = [
        (
            settings[name]["label"],
            settings[name].get("help"),
            _class([row[name] for row in rows]) if kinds[name].get("type") != "link" else "",
        )
        for name in names
    ]
    return str(_PARTS.plain_table(head, [[_cell(row[name], kinds[name]) for name in names] for row in rows], about))


def _class(values: Sequence[Any]) -> str:
    """Return how a column stands: texts at the left, those of sentences never in a column of single words."""
    if not any(isinstance(value, (str, list, tuple)) for value in values):
        return ""
    longest = max((len(value) for value in values if isinstance(value, str)), default=0)
    return "nwh-left nwh-prose" if longest > _PROSE else "nwh-left"


def with_titles(names: Iterable[str], columns: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the configuration of some columns, those without a title called by their name in words."""
    configured = {name: columns.get(name) or {} for name in names}
    settings = {name: each if isinstance(each, Mapping) else {"label": each} for name, each in configured.items()}
    return {name: {**each, "label": each.get("label") or name.replace("_", " ")} for name, each in settings.items()}


def _cell(value: Any, kind: Mapping[str, Any]) -> str:
    """Return a value as Streamlit's grid would show it: null as nothing, lists by commas, addresses as links."""
    if value is None or value != value:
        return ""
    if kind.get("type") == "link":
        return Markup('<a href="{}">{}</a>').format(value, kind.get("display_text") or value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    format = kind.get("format")
    if kind.get("type") == "datetime":
        return f"{value:%Y-%m-%d %H:%M}"
    if format == "percent":
        return f"{value * 100:.3g}%"
    if format == "localized":
        return f"{value:,}"
    if format:
        return str(format % value).replace("-", "\N{MINUS SIGN}", 1)
    return number(value) if isinstance(value, float) else str(value)
