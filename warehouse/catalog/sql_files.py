"""The files of `sql/`: what each makes, and what its header says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from nwh.warehouse.schema.glossary import GLOSSARY

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_CREATE = re.compile(r"^create\s+(view|macro)\s+(\w+)\s*(?:\(([^)]*)\)\s+as\s+(table)?)?", re.MULTILINE)
_HEADER = re.compile(r"\A(?:--[^\n]*\n)+")
_FIELD = re.compile(r"^(argument |)(\w+): (.*)$")
_CALL = re.compile(r"^(\w+)\((.*?)\)(?:: (.*))?$")
_READ = re.compile(r"\b(?:from|join)\s+(\w+)|\b(\w+)\(")
_CTE = re.compile(r"\b(\w+)\s+as\s+(?:materialized\s+)?\(")


@dataclass(frozen=True)
class SqlFile:
    """One view or macro: what a file of `sql/` makes, or its header asks for, with the comments of the header.

    Lines of a header, each of which an indented line continues:
    `-- what it is`;
    `-- grain: what a row is`;
    `-- argument t: what it sets`, for each argument of a macro;
    `-- share: what it holds` for each column in order, or `-- columns: model, layer` for those that the glossary knows;
    `-- view: name(t := 0.2): why so` for a view of that name with arguments set, `-- macro: …` where some stay open.
    """

    name: str
    kind: str
    folder: str
    description: str
    grain: str
    arguments: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    sql: str
    is_table: bool


@cache
def sql_files() -> tuple[SqlFile, ...]:
    """Return all views and macros in reading order: by folder, then by name, dependencies first."""
    found = [made for folder, file in _sql_files() for made in read(folder.name, file.read_text())]
    return tuple(_dependencies_first(found))


def read(folder: str, text: str) -> list[SqlFile]:
    """Return what one SQL file makes, and the views that its header asks for.

    ValueError where it makes no view or macro or its header is incomplete.
    """
    create, header = _CREATE.search(text), _HEADER.match(text)
    if not create or not header:
        raise ValueError(f"an SQL file in {folder} must have a header comment and make a view or macro")
    kind, name, parameters, table = create.groups()
    description, fields = _read_header(header[0])
    about = {key: said for key, said in fields if key in ("grain", "view", "macro")}
    if "grain" not in about:
        raise ValueError(f"sql/{folder}: the header of {name} states no grain")
    arguments = tuple((key.removeprefix("argument "), said) for key, said in fields if key.startswith("argument "))
    columns = tuple(_columns(name, fields))
    sql = text[header.end() :].strip().rstrip(";")
    made = SqlFile(
        name, kind, folder, description, about["grain"], arguments, columns, sql, kind == "view" or bool(table)
    )
    return [made, *(_with_arguments(made, of, about[of], parameters) for of in ("view", "macro") if of in about)]


def reads(sql: str) -> set[str]:
    """Return the names that a statement reads or calls; not its own, nor those of its common table expressions."""
    code = re.sub(r"--[^\n]*|'[^']*'|create (?:view|macro) \w+", "", sql)
    return {name for found in _READ.findall(code) for name in found if name} - set(_CTE.findall(code))


def _read_header(header: str) -> tuple[str, list[tuple[str, str]]]:
    description: list[str] = []
    fields: list[tuple[str, str]] = []
    for line in (line.removeprefix("--").removeprefix(" ") for line in header.splitlines()):
        if field := _FIELD.match(line):
            fields.append((field[1] + field[2], field[3].strip()))
        elif line.startswith(" ") and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
        else:
            description.append(line.strip())
    return " ".join(part for part in description if part), fields


def _columns(name: str, fields: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, said in fields:
        if key == "columns":
            for column in said.split(", "):
                if column not in GLOSSARY:
                    raise ValueError(f"sql: {name} leaves column {column} to the glossary, which does not have it")
                yield column, GLOSSARY[column]
        elif not key.startswith("argument ") and key not in ("grain", "view", "macro"):
            yield key, said


def _with_arguments(macro: SqlFile, kind: str, asked: str, parameters: str) -> SqlFile:
    """Return the view (or macro) that passes through to a macro, some or all of whose arguments are set."""
    call = _CALL.match(asked)
    if not call:
        raise ValueError(
            f"sql: the header of {macro.name} says `{kind}: {asked}`, not `{kind}: name(argument := value)`"
        )
    name, given, why = call.groups()
    set_here = {pair.split(":=")[0].strip() for pair in given.split(",") if pair}
    open_ = [each for each in re.split(r",\s*", parameters.strip()) if ":=" not in each and each not in set_here]
    passed = ", ".join([*open_, *([given] if given else [])])
    head = f"create view {name} as" if kind == "view" else f"create macro {name}({', '.join(open_)}) as table"
    description = f"{macro.description} This is `{macro.name}({given})`" + (f": {why}." if why else ".")
    arguments = tuple(pair for pair in macro.arguments if pair[0] in open_)
    sql = f"{head}\nfrom {macro.name}({passed})"
    return SqlFile(name, kind, macro.folder, description, macro.grain, arguments, macro.columns, sql, True)


def _sql_files() -> Iterator[tuple[Traversable, Traversable]]:
    for folder in sorted((entry for entry in files("nwh.sql").iterdir() if entry.is_dir()), key=lambda e: e.name):
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".sql"):
                yield folder, file


def _dependencies_first(found: list[SqlFile]) -> list[SqlFile]:
    """Order questions so that each comes after those it reads; otherwise as they are."""
    by_name = {question.name: question for question in found}
    ordered: dict[str, SqlFile] = {}

    def place(question: SqlFile, above: tuple[str, ...]) -> None:
        if question.name in above:
            raise ValueError(f"sql: {' -> '.join((*above, question.name))} is a circle")
        for name in sorted(reads(question.sql) & by_name.keys() - ordered.keys()):
            place(by_name[name], (*above, question.name))
        ordered.setdefault(question.name, question)

    for question in found:
        place(question, ())
    return list(ordered.values())
