"""DuckDB views over a snapshot: one per stored relation, one per file of `sql/`, with their comments."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from nwh.warehouse.errors import StorageError, UsageError
from nwh.warehouse.provenance import Snapshot
from nwh.warehouse.questions import Question, questions
from nwh.warehouse.schema import RELATIONS, Column, Relation
from nwh.warehouse.tables import first_line

if TYPE_CHECKING:
    pass

_TABLE = re.compile(r"\A[^;]*?\)\s+as\s+table\b", re.IGNORECASE)
_WRONG = "partitioned_execution"
"""An optimizer of DuckDB 2.0.0 under which windows over large sorted files repeat some rows and lose others."""


def connect(snapshot: Snapshot, published: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection of its own with all views over a snapshot.

    published: a file that `build` made. Where it shows this very snapshot, a copy of it is opened, which is many
    times faster than making the views; else they are made in memory.
    """
    connection = None if published is None else _copy_of(published, _mark(snapshot))
    if connection is None:
        connection = duckdb.connect()
        _create_relations(connection, snapshot, RELATIONS.values())
        for question in questions():
            connection.execute(question.sql)
    connection.execute("set enable_progress_bar = false")  # it would be drawn on stdout, among the rows
    connection.execute("set parquet_metadata_cache = true")  # footers of large files take longer to read than rows
    if connection.execute("select 1 from duckdb_optimizers() where name = $1", [_WRONG]).fetchall():
        connection.execute(f"set disabled_optimizers = '{_WRONG}'")
    return connection


def _copy_of(published: str, mark: str) -> duckdb.DuckDBPyConnection | None:
    """Open a copy of a published catalog; null where there is none or its mark is another.

    A copy, because DuckDB gives all who open a path in one process the same file, even when it was replaced.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/nwh.duckdb"
        try:
            shutil.copyfile(published, path)
            connection = duckdb.connect(path, read_only=True)
        except (OSError, duckdb.Error):
            return None
    try:
        if connection.execute("select nwh_catalog()").fetchall() == [(mark,)]:
            return connection
    except duckdb.Error:
        pass
    connection.close()
    return None


def _mark(snapshot: Snapshot) -> str:
    """Return what tells catalogs apart: a hash of the files and of the questions."""
    schema = [(relation.name, relation.column_names) for relation in RELATIONS.values()]
    about = [sorted(snapshot.items()), [question.sql for question in questions()], schema]
    return sha256(json.dumps(about).encode()).hexdigest()


def restrict(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Let a connection read the files of a snapshot and do nothing else with files, for good.

    DuckDB's own settings: no external access but for these paths, no extension loading, configuration locked.
    """
    paths = [uri for uris in snapshot.values() for uri in uris]
    connection.execute(f"set allowed_paths = [{', '.join(map(_quoted, paths))}]")
    for setting in ("enable_external_access", "autoload_known_extensions", "autoinstall_known_extensions"):
        connection.execute(f"set {setting} = false")
    connection.execute("set lock_configuration = true")


def select(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    """Run one statement that reads, or raise UsageError. What kind a statement is, DuckDB's own parser says."""
    with _duckdb_explains():
        statements = connection.extract_statements(query)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            found = ", ".join(kind.name for kind in kinds) or "nothing"
            raise UsageError(
                f"`nwh sql` takes one statement that reads (SELECT, FROM, DESCRIBE, SUMMARIZE, SHOW), not {found}; "
                "--unsafe lifts this"
            )
        return connection.execute(statements[0])


def execute(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    """Run whatever a query says, or raise UsageError with what DuckDB says of it."""
    with _duckdb_explains():
        return connection.execute(query)


@contextmanager
def _duckdb_explains() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise UsageError(f"DuckDB: {first_line(error)}") from error


def build(path: str, snapshot: Snapshot) -> None:
    """Make a DuckDB file with all views over a snapshot, comments included.

    It is the process's last such file with other views where the files are others: to make them all costs more than
    a small run.
    """
    global _latest
    made, before = _latest or (_template(), {})
    Path(path).write_bytes(made)
    with duckdb.connect(path) as connection:
        connection.execute("begin")  # one flush to the disk, not one for each view and comment
        others = [each for each in RELATIONS.values() if snapshot.get(each.name, []) != before.get(each.name, [])]
        _create_relations(connection, snapshot, others)
        connection.execute(";".join(comment for each in others for comment in _relation_comments(each)))
        connection.execute(f"create or replace macro nwh_catalog() as {_quoted(_mark(snapshot))}")
        connection.execute("commit")
    _latest = Path(path).read_bytes(), snapshot


_latest: tuple[bytes, Snapshot] | None = None


def _template() -> bytes:
    """Return a DuckDB file with the questions over empty relations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute("begin")
            _create_relations(connection, {}, RELATIONS.values())
            for question in questions():
                connection.execute(question.sql)
                connection.execute(";".join(_question_comments(question)))
            for relation in RELATIONS.values():
                connection.execute(";".join(_relation_comments(relation)))
            connection.execute("commit")
        return path.read_bytes()


def _create_relations(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, relations: Iterable[Relation]) -> None:
    if any("://" in uri for uris in snapshot.values() for uri in uris):
        connection.execute("install httpfs; load httpfs; create secret (type s3, provider credential_chain)")
    for relation in relations:
        uris = snapshot.get(relation.name, [])
        try:
            lacking = {column: _lacking(connection, column, uris) for column in relation.columns if column.absent}
            connection.execute(relation_view(relation, uris, {column: n for column, n in lacking.items() if n}))
        except duckdb.Error as error:
            raise StorageError(
                f"a file of relation {relation.name} is damaged ({first_line(error)}): `nwh verify` names all such "
                "files; ingest what they hold again"
            ) from error


def _lacking(connection: duckdb.DuckDBPyConnection, column: Column, uris: list[str]) -> int:
    """Return how many files are of versions that did not store a column yet."""
    if not uris:
        return 0
    query = "select count(distinct file_name) from parquet_schema($1) where name = $2"
    return len(uris) - int(connection.execute(query, [uris, column.name]).fetchall()[0][0])


def relation_view(relation: Relation, uris: list[str], lacking: Mapping[Column, int] | None = None) -> str:
    """Return the statement that makes a stored relation's view over its files.

    Partition columns are read as text from the path, whatever their values look like. lacking: how many files have
    no such column; `absent` says what stands in for it.
    """
    if not uris:
        columns = ", ".join(f"null::{column.type} as {column.name}" for column in relation.columns)
        return f"create or replace view {relation.name} as select {columns} limit 0"
    lacking = lacking or {}
    some = any(n < len(uris) for n in lacking.values())

    def expression(column: Column) -> str:
        if column not in lacking:
            return column.name
        return f"coalesce({column.name}, {column.absent})" if lacking[column] < len(uris) else column.absent

    columns = ", ".join(f"{expression(column)} as {column.name}" for column in relation.columns)
    paths = ", ".join(_quoted(uri) for uri in uris)
    hive = "hive_partitioning = true, hive_types_autocast = false" + ", union_by_name = true" * some
    return f"create or replace view {relation.name} as select {columns} from read_parquet([{paths}], {hive})"


def _relation_comments(relation: Relation) -> Iterator[str]:
    yield f"comment on view {relation.name} is {_quoted(f'one row per {relation.grain}')}"
    for column in relation.columns:
        yield f"comment on column {relation.name}.{column.name} is {_quoted(column.description)}"


def _question_comments(question: Question) -> Iterator[str]:
    what = _quoted(f"{question.description} One row per {question.grain}.")
    if question.kind == "macro":
        table = "table" if _TABLE.search(question.sql) else ""
        yield f"comment on macro {table} {question.name} is {what}"
        return
    yield f"comment on view {question.name} is {what}"
    for column, description in question.columns:
        yield f"comment on column {question.name}.{column} is {_quoted(description)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
