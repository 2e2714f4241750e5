"""The data dictionary as a part of a page, whose names go into the editor of statements."""

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
.nwh-insert { font: inherit; color: inherit; background: none; border: none; padding: 0; cursor: pointer;
    text-align: left; overflow-wrap: anywhere; text-decoration: underline dotted; text-underline-offset: 3px; }
.nwh-dictionary p .nwh-insert { font-family: ui-monospace, Menlo, Consolas, monospace; }
.nwh-dictionary dd { margin: 0 0 0.2rem 1rem; opacity: 0.8; overflow-wrap: anywhere; }
</style>"""
INSERT = """<script>
if (!window.nwhInserts) {
  window.nwhInserts = true;
  document.addEventListener("click", event => {
    const name = event.target.closest(".nwh-insert"), editor = document.querySelector(".st-key-sql_query textarea");
    if (!name || !editor) return;
    const glued = /\\w$/.test(editor.value.slice(0, editor.selectionStart));
    editor.focus();
    document.execCommand("insertText", false, (glued ? " " : "") + name.textContent);  // can be undone, as typing
  });
}
</script>"""
"""Puts the names that are clicked, or entered, where the caret stands in the editor."""
_OPEN, _ARGUMENT = 3, "argument: "


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
            (*((name, f"{_ARGUMENT}{said}") for name, said in question.arguments), *question.columns),
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
    listed = "".join(f"<dt>{_insert(column)}</dt><dd>{escape(said)}</dd>" for column, said in columns)
    head = f"<summary><b>{escape(name)}</b> {escape(kind)}</summary>"
    rows = SqlAddress(f"from {name} limit 20").link
    ask = "" if kind == "macro" else f' <a href="{escape(rows)}">First rows</a>'
    said = [column for column, about in columns if about.startswith(_ARGUMENT)]
    call = f"{name}({', '.join(said)})" if kind == "macro" else name
    about = f"{escape(about)} {_insert(call)}{ask}"
    return f"<details{' open' if opened else ''}>{head}<p>{about}</p><dl>{listed}</dl></details>"


def _insert(name: str) -> str:
    return f'<button type="button" class="nwh-insert" title="Put into the statement">{escape(name)}</button>'
