"""DuckDB views over a snapshot: one per stored relation, one per file of `sql/`, with their comments."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import duckdb

from nwh.warehouse import memory
from nwh.warehouse.catalog.relation_views import folder_macros, lacking_columns, relation_view
from nwh.warehouse.catalog.sql_files import SqlFile, sql_files
from nwh.warehouse.errors import StorageError, first_line
from nwh.warehouse.schema import RELATIONS, Relation
from nwh.warehouse.statements import sql_literal
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.provenance import Snapshot
from nwh.warehouse.storage.refusals import through_duckdb

_WRONG = ("partitioned_execution", "window_self_join")
"""Optimizers of DuckDB 2.0.0: under the first, windows over large sorted files repeat some rows and lose others; under
the second, a window of one partition of files takes in the files that the statement leaves out."""


def connect(
    snapshot: Snapshot,
    storage: Storage,
    sizes: Mapping[str, int],
    copied: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a connection of its own with all views over a snapshot.

    sizes: of its files, see `Tables.known_sizes`. copied: from `open_published`, many times faster than making the
    views in memory, which is done without it.
    """
    connection = copied or duckdb.connect()
    memory.apply(connection, storage)
    storage.register(connection, snapshot, sizes)
    if copied is None:
        _create_relations(connection, snapshot, storage, RELATIONS.values())
        for file in sql_files():
            connection.execute(file.sql)
    connection.execute("set enable_progress_bar = false")  # it would be drawn on stdout, among the rows
    connection.execute("set parquet_metadata_cache = true")  # footers of large files take longer to read than rows
    known = connection.execute("select name from duckdb_optimizers() where name in $1", [_WRONG]).fetchall()
    connection.execute("set disabled_optimizers = $1", [",".join(sorted(name for (name,) in known))])
    return connection


def open_published(snapshot: Snapshot, storage: Storage) -> duckdb.DuckDBPyConnection | None:
    """Open a copy of `nwh.duckdb`; null where there is none or it has not today's views over this very snapshot.

    A copy, because DuckDB gives all who open a path in one process the same file, even when it was replaced.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/nwh.duckdb"
        try:
            with storage.open_uri(storage.catalog) as source, open(path, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 24)  # in an object store every read is a request
            connection = duckdb.connect(path, read_only=True)
        except (OSError, duckdb.Error):
            return None
    try:
        if connection.execute("select nwh_catalog()").fetchall() == [(_mark(snapshot),)]:
            return connection
    except duckdb.Error:
        pass
    connection.close()
    return None


def _mark(snapshot: Snapshot) -> str:
    """Return what tells catalogs apart: a hash of the files and of all statements that make views."""
    views = [relation_view(relation, ["file"], "") for relation in RELATIONS.values()]
    about = [sorted(snapshot.items()), [file.sql for file in sql_files()], views, folder_macros("")]
    return sha256(json.dumps(about).encode()).hexdigest()


def build(path: str, snapshot: Snapshot, storage: Storage, afresh: bool = False) -> None:
    """Make a DuckDB file with all views over a snapshot of a warehouse, comments included.

    It is the process's last such file with other views where these find other files below their folder, or with all
    made `afresh`: to make them all costs more than a small run.
    """
    below = {name: [uri.removeprefix(f"{storage.uri}/") for uri in uris] for name, uris in snapshot.items()}
    partitioned = "=" in storage.uri  # see `relation_view`, which reads such folders otherwise
    made, before = _latest.get(partitioned) or (_template(), {})
    Path(path).write_bytes(made)
    with _file(path) as connection:
        storage.register(connection)
        connection.execute("begin")  # one flush to the disk, not one for each view and comment
        others = [each for each in RELATIONS.values() if afresh or below.get(each.name) != before.get(each.name)]
        _create_relations(connection, snapshot, storage, others)
        connection.execute(";".join(comment for each in others for comment in _relation_comments(each)))
        connection.execute(f"create or replace macro nwh_catalog() as {sql_literal(_mark(snapshot))}")
        connection.execute("commit")
    _latest[partitioned] = Path(path).read_bytes(), below


_latest: dict[bool, tuple[bytes, Snapshot]] = {}
"""Below folders named key=value, and below others: the last file, and what its views read, below their folder."""


def _file(path: str) -> duckdb.DuckDBPyConnection:
    """Open or make a DuckDB file that DuckDB 1 reads too, without the name that `nwh_folder()` knows it by."""
    return duckdb.connect(path, config={"storage_compatibility_version": "v1.0.0", "temp_directory": f"{path}.spill"})


def _template() -> bytes:
    """Return a DuckDB file with the files of `sql/` over empty relations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.duckdb"
        with _file(str(path)) as connection:
            connection.execute("begin")
            _create_relations(connection, {}, Storage(folder), RELATIONS.values())
            for file in sql_files():
                connection.execute(file.sql)
                connection.execute(";".join(_sql_comments(file)))
            for relation in RELATIONS.values():
                connection.execute(";".join(_relation_comments(relation)))
            connection.execute("commit")
        return path.read_bytes()


def _create_relations(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, storage: Storage, relations: Iterable[Relation]
) -> None:
    for macro in folder_macros(storage.uri):
        connection.execute(macro)
    for relation in relations:
        uris = snapshot.get(relation.name, [])
        try:
            lacking = lacking_columns(connection, storage, relation, uris)
            connection.execute(relation_view(relation, uris, storage.uri, lacking))
        except duckdb.Error as error:
            raise through_duckdb(error) or StorageError(
                f"a file of relation {relation.name} is damaged ({first_line(error)}): `nwh verify` names all such "
                "files; ingest what they hold again"
            ) from error


def _relation_comments(relation: Relation) -> Iterator[str]:
    yield f"comment on view {relation.name} is {sql_literal(f'one row per {relation.grain}')}"
    for column in relation.columns:
        yield f"comment on column {relation.name}.{column.name} is {sql_literal(column.description)}"


def _sql_comments(file: SqlFile) -> Iterator[str]:
    what = sql_literal(f"{file.description} One row per {file.grain}.")
    if file.kind == "macro":
        yield f"comment on macro {'table' if file.is_table else ''} {file.name} is {what}"
        return
    yield f"comment on view {file.name} is {what}"
    for column, description in file.columns:
        yield f"comment on column {file.name}.{column} is {sql_literal(description)}"
