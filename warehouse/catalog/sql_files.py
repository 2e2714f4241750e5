"""The files of `sql/`: what each makes, and what its header says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_CREATE = re.compile(r"^create\s+(?:or\s+replace\s+)?(view|macro)\s+(\w+)", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"\A(?:--[^\n]*\n)+")
_FIELD = re.compile(r"^(\w+): (.*)$")


@dataclass(frozen=True)
class SqlFile:
    """One file of `sql/`: a view or macro with the comments of its header.

    Header lines: `-- what it is`, then `-- grain: …`, `-- name: description` for each column (views) or for
    each argument and column (macros); an indented line continues the one above.
    """

    name: str
    kind: str
    folder: str
    description: str
    grain: str
    columns: tuple[tuple[str, str], ...]
    sql: str


@cache
def sql_files() -> tuple[SqlFile, ...]:
    """Return the files of `sql/` in reading order: by folder, then by name, dependencies first."""
    found = [question(folder.name, file.read_text()) for folder, file in _sql_files()]
    return tuple(_dependencies_first(found))


def question(folder: str, text: str) -> SqlFile:
    """Read one SQL file; ValueError where it makes no view or macro or its header is incomplete."""
    create, header = _CREATE.search(text), _HEADER.match(text)
    if not create or not header:
        raise ValueError(f"an SQL file in {folder} must have a header comment and make a view or macro")
    description, fields = _read_header(header[0])
    if "grain" not in fields:
        raise ValueError(f"sql/{folder}: the header of {create[2]} states no grain")
    grain = fields.pop("grain")
    sql = text[header.end() :].strip().rstrip(";")
    return SqlFile(create[2], create[1].lower(), folder, description, grain, tuple(fields.items()), sql)


def _read_header(header: str) -> tuple[str, dict[str, str]]:
    description: list[str] = []
    fields: dict[str, str] = {}
    for line in (line.removeprefix("--").removeprefix(" ") for line in header.splitlines()):
        if field := _FIELD.match(line):
            fields[field[1]] = field[2].strip()
        elif line.startswith(" ") and fields:
            last = next(reversed(fields))
            fields[last] += " " + line.strip()
        else:
            description.append(line.strip())
    return " ".join(part for part in description if part), fields


def _sql_files() -> Iterator[tuple[Traversable, Traversable]]:
    for folder in sorted((entry for entry in files("nwh.sql").iterdir() if entry.is_dir()), key=lambda e: e.name):
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".sql"):
                yield folder, file


def _dependencies_first(found: list[SqlFile]) -> list[SqlFile]:
    """Order questions so that each comes after those it names; otherwise as they are."""
    names = {question.name for question in found}
    ordered: dict[str, SqlFile] = {}
    by_name = {question.name: question for question in found}

    def place(question: SqlFile, above: tuple[str, ...]) -> None:
        if question.name in above:
            raise ValueError(f"sql: {' -> '.join((*above, question.name))} is a circle")
        for word in re.findall(r"\w+", question.sql):
            if word in names and word != question.name and word not in ordered:
                place(by_name[word], (*above, question.name))
        ordered.setdefault(question.name, question)

    for question in found:
        place(question, ())
    return list(ordered.values())
