"""The Delta tables: consistent snapshots for readers, all-or-nothing commits over several relations."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from nwh.warehouse.errors import StorageError
from nwh.warehouse.schema import RELATIONS, RUNS
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.provenance import Provenance, Snapshot

if TYPE_CHECKING:
    from deltalake import DeltaTable

_CHECKED = "provenance"
"""Application transaction of `runs`: its version as of which nothing stored is stale."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file written for a relation, not yet part of its table."""

    path: str
    """inside the relation's folder"""
    size: int
    rows: int
    partition: Mapping[str, str]


class Tables:
    """The Delta tables of one warehouse.

    Each completed run records in the log of the `runs` table the version of every table it wrote (Delta's
    application transactions). Readers open the tables at those versions, so what a run has written becomes visible
    with its row in `runs`, all at once; what a run that died has written is never read, and undone by the next
    commit to that table.
    """

    def __init__(self, storage: Storage) -> None:
        """Look at nothing yet."""
        self.storage = storage

    def exist(self) -> bool:
        """Return whether a warehouse was initialised here."""
        return self._exists(RUNS.name)

    def initialise(self) -> None:
        """Make an empty warehouse: the table of runs. Others are made when the first run writes them."""
        self._create(RUNS.name)

    def snapshot(self) -> Snapshot:
        """Return the files of every relation as of the last completed run, those of stale units included."""
        return self._snapshot(self._open(RUNS.name))

    def provenance(self) -> Provenance:
        """Return what is stored as of the last completed run, by which runs, and what of it is stale.

        Only a warehouse that an earlier version has written to can have stale units: the last run says whether.
        """
        runs = self._open(RUNS.name)
        nothing_stale = runs.transaction_version(_CHECKED) == runs.version()
        return Provenance(self.storage, self._snapshot(runs), nothing_stale=nothing_stale)

    def _snapshot(self, runs: DeltaTable) -> Snapshot:
        tables = {name: self._completed(runs, name) for name in RELATIONS}
        return {name: self._files(name, table) for name, table in tables.items() if table is not None}

    def version(self) -> int:
        """Return how many times the warehouse has changed: the version of the table of runs."""
        return self._open(RUNS.name).version()

    def delta_table(self, relation: str) -> DeltaTable | None:
        """Return the Delta table of a relation as of the last completed run; null where none has written it."""
        return self._completed(self._open(RUNS.name), relation)

    def commit(
        self,
        replaced: Mapping[str, list[dict[str, str]]],
        files: Mapping[str, list[DataFile]],
        *,
        nothing_stale: bool = False,
    ) -> None:
        """Replace units of several relations: all of it becomes visible with the last step, or none.

        `replaced[relation]` are the partitions whose rows give way to those in `files[relation]`; the row of
        `runs` comes last. `nothing_stale`: readers need not look for stale units in what is stored then. Call while
        holding `storage.lock("commit")`.
        """
        from deltalake import Schema
        from deltalake.transaction import CommitProperties, Transaction

        runs = self._open(RUNS.name)
        versions = []
        for name, units in replaced.items():
            self._create(name)
            self._undo_unfinished(runs, name)
            partition_by = list(RELATIONS[name].partition)
            schema = Schema.from_arrow(RELATIONS[name].table_schema)  # a table of an earlier version may lack columns
            for unit in units:
                table = self._open(name)
                adds = [_add(file) for file in files.get(name, []) if dict(file.partition) == unit]
                where = [(column, "=", value) for column, value in unit.items()]
                table.create_write_transaction(adds, "overwrite", schema, partition_by, where)
            versions.append(Transaction(name, self._open(name).version()))
        if nothing_stale:
            versions.append(Transaction(_CHECKED, runs.version() + 1))
        runs.create_write_transaction(
            [_add(file) for file in files[RUNS.name]],
            "append",
            runs.schema(),
            commit_properties=CommitProperties(app_transactions=versions),
        )

    def _undo_unfinished(self, runs: DeltaTable, name: str) -> None:
        """Bring a table back to the version that the last completed run recorded; 0, empty, before any."""
        now, completed = self._open(name), runs.transaction_version(name) or 0
        if now.version() > completed and now.file_uris() != self._open(name, completed).file_uris():
            now.restore(completed)

    def vacuum(self, retain_hours: float) -> list[str]:
        """Delete data files that no table has used within `retain_hours`; return their paths."""
        removed, runs = [], self._open(RUNS.name)
        for name in (name for name in RELATIONS if self._exists(name)):
            if name != RUNS.name:
                self._undo_unfinished(runs, name)
            paths = self._open(name).vacuum(
                retention_hours=int(retain_hours), dry_run=False, enforce_retention_duration=False, full=True
            )
            removed += [f"{name}/{path}" for path in paths]
        return removed

    def unused_files(self) -> list[tuple[str, str, float]]:
        """Return (relation, path, time of change) of each data file that the present snapshot does not use."""
        unused = []
        for name, uris in self.snapshot().items():
            used = {self.path_of(name, uri) for uri in uris}
            unused += [(name, path, when) for path, when in self.storage.data_files(name) if path not in used]
        return unused

    def _files(self, name: str, table: DeltaTable) -> list[str]:
        """Return a table's files, the largest first: DuckDB guesses from the first how many rows all have.

        They lie below the warehouse as it was named: Delta resolves links and writes a blank as %20.
        """
        added = table.get_add_actions()
        paths = zip(added["size_bytes"].to_pylist(), added["path"].to_pylist(), strict=True)
        return [f"{self._uri(name)}/{unquote(path)}" for _, path in sorted((-size, path) for size, path in paths)]

    def path_of(self, relation: str, uri: str) -> str:
        """Return a data file's path inside its relation's folder."""
        return uri.removeprefix(self._uri(relation) + "/")

    def _uri(self, name: str) -> str:
        return f"{self.storage.uri}/{name}"

    def _exists(self, name: str) -> bool:
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(self._uri(name)))

    def _create(self, name: str) -> None:
        """Make a relation's table where there is none: empty, version 0."""
        from deltalake import DeltaTable, Schema

        relation = RELATIONS[name]
        try:
            if not self._exists(name):
                DeltaTable.create(
                    self._uri(name),
                    Schema.from_arrow(relation.table_schema),
                    mode="ignore",
                    partition_by=list(relation.partition),
                    description=f"one row per {relation.grain}",
                )
        except Exception as error:  # deltalake raises OSError, DeltaError and plain Exception here
            raise StorageError(f"cannot make table {name} at {self.storage}: {first_line(error)}") from error

    def _completed(self, runs: DeltaTable, name: str) -> DeltaTable | None:
        """Return a table as the last completed run saw it; null where no run has written it."""
        if name == RUNS.name:
            return runs
        version = runs.transaction_version(name)
        return None if version is None else self._open(name, version)

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(self._uri(name), version=version)
        except TableNotFoundError as error:
            raise StorageError(
                f"no warehouse at {self.storage}: make one with `nwh init`, or name it with --warehouse"
            ) from error
        except DeltaError as error:
            raise StorageError(f"table {name} of {self.storage} is damaged: {first_line(error)}") from error


def _add(file: DataFile) -> Any:
    from deltalake.transaction import AddAction

    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.path, file.size, dict(file.partition), int(time.time() * 1000), True, stats)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type's name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
