"""The data dictionary as a part of a page."""

from __future__ import annotations

from html import escape

from nwh.dashboards.address.sql_address import SqlAddress
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.schema import RELATIONS

STYLE = """<style>
.nwh-dictionary { max-height: 34rem; overflow-y: auto; font-size: 0.875rem; }
.nwh-dictionary summary { cursor: pointer; padding: 0.15rem 0; overflow-wrap: anywhere; }
.nwh-dictionary p { margin: 0.15rem 0 0.3rem 1rem; overflow-wrap: anywhere; }
.nwh-dictionary dl { margin: 0 0 0.6rem 1rem; }
.nwh-dictionary dt, .nwh-dictionary summary b { font-family: ui-monospace, Menlo, Consolas, monospace; }
.nwh-dictionary dd { margin: 0 0 0.2rem 1rem; opacity: 0.8; overflow-wrap: anywhere; }
</style>"""
_OPEN = 3


def dictionary(find: str = "") -> str:
    """Return the relations, views and macros whose names or descriptions have all words of a text, as HTML.

    Views come first, then macros, then relations, of which the others are made; those whose own name has one of the
    words before the rest. Where there are few, their columns are shown at once.
    """
    entries = [
        (
            question.name,
            question.kind,
            f"{question.description} One row per {question.grain}.",
            (*((name, f"argument: {said}") for name, said in question.arguments), *question.columns),
        )
        for question in sorted(sql_files(), key=lambda each: (each.kind != "view", each.folder, each.name))
    ]
    entries += [
        (
            relation.name,
            "relation",
            f"One row per {relation.grain}.",
            tuple((column.name, f"{column.type}: {column.description}") for column in relation.columns),
        )
        for relation in RELATIONS.values()
    ]
    words = find.lower().split()
    shown = [entry for entry in entries if all(word in str(entry).lower() for word in words)]
    shown.sort(key=lambda entry: not any(word in entry[0] for word in words))
    few = bool(words) and len(shown) <= _OPEN
    found = "".join(_entry(*entry, few) for entry in shown) or f"<p>Nothing here has {escape(find)}.</p>"
    return f'<div class="nwh-dictionary" tabindex="0" aria-label="Data dictionary">{found}</div>'


def _entry(name: str, kind: str, about: str, columns: tuple[tuple[str, str], ...], opened: bool) -> str:
    listed = "".join(f"<dt>{escape(column)}</dt><dd>{escape(said)}</dd>" for column, said in columns)
    head = f"<summary><b>{escape(name)}</b> {escape(kind)}</summary>"
    rows = SqlAddress(f"from {name} limit 20").link
    ask = "" if kind == "macro" else f' <a href="{escape(rows)}">First rows</a>'
    return f"<details{' open' if opened else ''}>{head}<p>{escape(about)}{ask}</p><dl>{listed}</dl></details>"
