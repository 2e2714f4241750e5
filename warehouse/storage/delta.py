"""Delta tables as `tables` uses them: opened, made, listed, and changed at the version that follows the one read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from nwh.warehouse.errors import StorageError, first_line
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.manifests import DataFile
from nwh.warehouse.storage.provenance import partition_of
from nwh.warehouse.storage.refusals import refusal

_CHECKPOINT = "10"  # entries of a log, after which what they say is put into one file: each is read twice


def exists(storage: Storage, name: str) -> bool:
    """Return whether a relation has a table; StorageError where the store does not answer."""
    try:
        return bool(DeltaTable.is_deltatable(f"{storage.uri}/{name}"))
    except OSError as error:
        raise refusal(f"{storage} does not answer as it should", error) from error


def create(storage: Storage, name: str) -> None:
    """Make a relation's table where there is none: empty, version 0."""
    relation = RELATIONS[name]
    try:
        if not exists(storage, name):
            DeltaTable.create(
                f"{storage.uri}/{name}",
                Schema.from_arrow(relation.table_schema),
                mode="ignore",
                partition_by=list(relation.partition),
                description=f"one row per {relation.grain}",
                configuration={"delta.checkpointInterval": _CHECKPOINT},
            )
    except Exception as error:  # deltalake raises OSError, DeltaError and plain Exception here
        raise refusal(f"cannot make table {name} at {storage}", error) from error


def open_table(storage: Storage, name: str, version: int | None = None) -> DeltaTable:
    """Return a relation's table as it is, or was at a version; StorageError where there is none or it is damaged."""
    try:
        return DeltaTable(f"{storage.uri}/{name}", version=version)
    except TableNotFoundError as error:
        raise StorageError(
            f"no warehouse at {storage}: make one with `nwh init`, or name it with --warehouse"
        ) from error
    except (DeltaError, OSError) as error:
        what = f"table {name} of {storage} cannot be read"
        if storage.local and isinstance(error, DeltaError):
            way_out = f"put {name}/_delta_log back from a copy of the warehouse"
            raise StorageError(f"{what}: {first_line(error)}; {way_out}") from error
        raise refusal(what, error) from error


def read_on(storage: Storage, name: str, table: DeltaTable) -> bool:
    """Bring an opened table to what it is now, several times faster than opening it again; return whether that worked.

    Not where its own entry of the log is gone, of which reading on says nothing: Delta removes old ones, the oldest
    first, and a store can lose all. Not where a store refuses to answer: opening the table tells the reasons.
    """
    version = table.version()
    try:
        here, next_ = storage.log_entries(name, version, version + 1)
        if here and next_:
            table.update_incremental()
    except (DeltaError, OSError):
        return False
    return here


def files_of(name: str, table: DeltaTable) -> list[DataFile]:
    """Return the files of a relation's table; Delta writes a blank as %20."""
    added = table.get_add_actions()
    columns = (added[column].to_pylist() for column in ("path", "size_bytes", "num_records"))
    found = [(unquote(path), size, rows) for path, size, rows in zip(*columns, strict=True)]
    return [DataFile(path, size, rows, partition_of(name, path)) for path, size, rows in found]


def change(
    name: str,
    table: DeltaTable,
    added: Iterable[DataFile],
    removed: Iterable[DataFile] = (),
    *,
    rewrites: bool = False,
    said: tuple[str, int] | None = None,
) -> bool:
    """Add and remove files at the version that follows `table`'s; return whether no other writer came first.

    rewrites: the rows stay as they are, in other files. said: an application transaction, which the log keeps.
    """
    now = int(time.time() * 1000)
    actions = [_added(file, now, rewrites) for file in added]
    actions += [RemoveAction(file.path, not rewrites, now, file.size, {**file.partition}) for file in removed]
    at_once = CommitProperties(max_commit_retries=0, app_transactions=[Transaction(*said)] if said else None)
    schema = Schema.from_arrow(RELATIONS[name].table_schema)
    try:
        table.create_write_transaction(
            actions, "append", schema, list(RELATIONS[name].partition), commit_properties=at_once
        )
    except CommitFailedError:
        return False
    return True


def adopt_schema(name: str, table: DeltaTable, files: Iterable[DataFile], changed: DataFile) -> bool:
    """Give a table of an earlier version today's columns; return whether it had others.

    Only what replaces a partition may change them: that of `changed`, a file to come or to go, gets its `files`.
    """
    schema, unit = Schema.from_arrow(RELATIONS[name].table_schema), dict(changed.partition)
    if table.schema() == schema:
        return False
    where = [(column, "=", value) for column, value in unit.items()]
    adds = [_added(file, int(time.time() * 1000), False) for file in files if dict(file.partition) == unit]
    with suppress(CommitFailedError):  # who came first has changed them
        table.create_write_transaction(adds, "overwrite", schema, list(unit), where)
    return True


def unused_since(storage: Storage, name: str, hours: int) -> list[str]:
    """Return the paths of data files that a table has not named for so many hours; where it never did, of that age."""
    table = open_table(storage, name)
    return table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)


def _added(file: DataFile, now: int, rewrites: bool) -> Any:
    return AddAction(
        file.path, file.size, dict(file.partition), now, not rewrites, json.dumps({"numRecords": file.rows})
    )
