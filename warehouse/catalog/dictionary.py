"""The data dictionary: every relation, view and macro, from the schema and the headers in `sql/`."""

from __future__ import annotations

from collections.abc import Iterator

from nwh.warehouse.catalog.sql_files import SqlFile, sql_files
from nwh.warehouse.schema import RELATIONS, Relation


def data_dictionary() -> str:
    """Return the data dictionary as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Made by `nwh docs` from `warehouse/schema` and the headers in `sql/`; do not edit by hand.",
        "",
        "## Facts",
        "",
        "Written by jobs, one Delta table each. Key columns are marked *, partition columns +.",
    ]
    for relation in RELATIONS.values():
        lines += _relation(relation)
    folder = ""
    for question in sorted(sql_files(), key=lambda question: (question.folder, question.name)):
        if question.folder != folder:
            folder = question.folder
            lines += ["", f"## {folder.split('_', 1)[1].replace('_', ' ').capitalize()}"]
        lines += _question(question)
    return "\n".join(lines) + "\n"


def _relation(relation: Relation) -> Iterator[str]:
    yield from ("", f"### {relation.name}", "", f"One row per {relation.grain}.", "")
    yield from ("| column | type | what it holds |", "|---|---|---|")
    for column in relation.columns:
        marks = "*" * (column.name in relation.key) + "+" * (column.name in relation.partition)
        null = "; may be null" if column.nullable else ""
        yield f"| `{column.name}`{marks} | {column.type} | {column.description}{null} |"


def _question(question: SqlFile) -> Iterator[str]:
    yield from ("", f"### {question.name}", "", f"{question.description} One row per {question.grain}.")
    for what, described in ((f"argument of the {question.kind}", question.arguments), ("column", question.columns)):
        if described:
            yield from ("", f"| {what} | what it {'sets' if what != 'column' else 'holds'} |", "|---|---|")
            yield from (f"| `{name}` | {said} |" for name, said in described)
