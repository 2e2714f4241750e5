"""The Delta tables: what is stored, and all-or-nothing commits over several relations by several writers."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from nwh.warehouse.errors import BusyError, StorageError
from nwh.warehouse.schema import RELATIONS, RUNS, SCHEMA_VERSION
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.manifests import DataFile, Manifest, Place, fold, read_manifest
from nwh.warehouse.storage.provenance import Provenance, Snapshot, partition_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

_PUBLISHED = "runs"
"""Application transaction of every other table: the version of `runs` that its log has been brought to."""
_SMALL = 64  # files of single runs, after which they are put into one
_PATIENCE = 100  # tries of a commit while others come first

_Row = tuple[int | None, str | None, datetime]
"""Of a completed run its `seq`, its manifest, and when it ended."""
_COLUMNS = ("seq", "manifest", "finished_at")


class Tables:
    """The tables of one warehouse: `runs`, by whose manifests the rest is read (see `manifests`), and the others."""

    def __init__(self, storage: Storage) -> None:
        """Look at nothing yet."""
        self.storage = storage
        self._rows: dict[str, list[_Row]] = {}  # of files of `runs`, which never change

    def exist(self) -> bool:
        """Return whether a warehouse was initialised here."""
        return self._exists(RUNS.name)

    def initialise(self) -> None:
        """Make an empty warehouse: the table of runs. Others are made when the first run writes them."""
        self._create(RUNS.name)

    def version(self) -> int:
        """Return how many times the warehouse has changed: the version of the table of runs."""
        return self._open(RUNS.name).version()

    # -- reading --------------------------------------------------------------------------------------------

    def stored(self) -> Manifest:
        """Return the files of every place as of the last completed run, those of stale places included."""
        return self._stored(self._open(RUNS.name))

    def snapshot(self) -> Snapshot:
        """Return the URIs of every relation's files as of the last completed run, those of stale units included."""
        runs = self._open(RUNS.name)
        return self._snapshot(runs, self._stored(runs))

    def provenance(self) -> Provenance:
        """Return what is stored as of the last completed run, by which runs, and what of it is stale.

        Only a warehouse that an earlier version has written to can have stale units: the last run says whether.
        """
        runs = self._open(RUNS.name)
        stored = self._stored(runs)
        return Provenance(self.storage, self._snapshot(runs, stored), nothing_stale=stored.nothing_stale)

    def rows_of_files(self, relation: str) -> dict[str, int]:
        """Return how many rows each file of a relation was written with."""
        runs = self._open(RUNS.name)
        if relation == RUNS.name:
            return {path: rows for path, _, rows in _files_of(runs)}
        places = self._stored(runs).places.items()
        return {file.path: file.rows for (name, _), files in places if name == relation for file in files}

    def _stored(self, runs: DeltaTable) -> Manifest:
        stored = fold((seq, text) for seq, text, _ in self._runs(runs)) or self._without_manifests(runs)
        if stored.schema_version > SCHEMA_VERSION:
            raise StorageError(
                f"{self.storage} is a warehouse of version {stored.schema_version}, and this program knows versions up "
                f"to {SCHEMA_VERSION}: `pip install --upgrade nwh`"
            )
        return stored

    def _runs(self, runs: DeltaTable) -> Iterator[_Row]:
        import pyarrow.parquet as pq

        for path, _, _ in _files_of(runs):
            if path not in self._rows:
                with self.storage.open_uri(f"{self._uri(RUNS.name)}/{path}") as stream:
                    table = pq.ParquetFile(stream).read()
                none = [None] * table.num_rows  # nwh 0.1 wrote neither
                columns = [table[name].to_pylist() if name in table.column_names else none for name in _COLUMNS]
                self._rows[path] = list(zip(*columns, strict=True))
            yield from self._rows[path]

    def _without_manifests(self, runs: DeltaTable) -> Manifest:
        """Return what is stored where only nwh 0.1 has written.

        Its runs recorded in the log of `runs` the version of every table that they wrote.
        """
        places: dict[Place, list[DataFile]] = defaultdict(list)
        for name in RELATIONS:
            version = runs.transaction_version(name)
            for path, size, rows in _files_of(self._open(name, version)) if version is not None else ():
                partition = partition_of(name, path)
                places[name, tuple(partition.values())].append(DataFile(path, size, rows, partition))
        checked = runs.transaction_version("provenance") == runs.version()
        return Manifest(places, True, checked or not places, 1 if places else SCHEMA_VERSION)

    def _snapshot(self, runs: DeltaTable, stored: Manifest) -> Snapshot:
        """Return files by relation, the largest first: DuckDB guesses from the first how many rows all have.

        They lie below the warehouse as it was named.
        """
        found = defaultdict(list, {RUNS.name: [(-size, path) for path, size, _ in _files_of(runs)]})
        for (relation, _), files in stored.places.items():
            found[relation] += [(-file.size, file.path) for file in files]
        return {
            name: [f"{self._uri(name)}/{path}" for _, path in sorted(found[name])]
            for name in RELATIONS
            if name in found
        }

    # -- writing --------------------------------------------------------------------------------------------

    def commit(
        self,
        run_id: str,
        settle: Callable[[Manifest, Provenance], Manifest],
        write: Callable[[int, str, str], DataFile],
        *,
        upgraded: bool = False,
    ) -> None:
        """Make a run visible: append its row to `runs`, at the version that follows the one it was decided on.

        settle: given what is stored by now, says what the run stores, or raises. write: makes the row's file from its
        `seq`, its manifest as text, and a name. Where others commit first, both are asked again. upgraded: all is
        stored as SCHEMA_VERSION says then. BusyError after `_PATIENCE` tries.
        """
        from deltalake import Schema
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import CommitProperties

        schema = Schema.from_arrow(RUNS.table_schema)  # the table of an earlier version lacks columns
        at_once = CommitProperties(max_commit_retries=0)
        for attempt in range(_PATIENCE):
            runs = self._open(RUNS.name)
            before = self._stored(runs)
            manifest = settle(before, Provenance(self.storage, self._snapshot(runs, before)))
            if not self._has_manifests(runs):
                manifest = replace(manifest, places={**before.places, **manifest.places}, whole=True)
            manifest = replace(manifest, schema_version=SCHEMA_VERSION if upgraded else before.schema_version)
            file = write(runs.version() + 1, manifest.text, f"{run_id}-{attempt}.parquet")
            try:
                runs.create_write_transaction([_add(file)], "append", schema, commit_properties=at_once)
                return
            except CommitFailedError:
                if any(path == file.path for path, _, _ in _files_of(self._open(RUNS.name))):
                    return  # a store took it, and its answer was lost
            self.storage.delete_data_file(RUNS.name, file.path)
            time.sleep(random.random() * 0.05 * min(attempt + 1, 10))
        raise BusyError(f"{_PATIENCE} other runs came before run {run_id} in {self.storage}: run the command again")

    def _has_manifests(self, runs: DeltaTable) -> bool:
        return any(seq is not None for seq, _, _ in self._runs(runs))

    def publish(self, relations: Iterable[str]) -> None:
        """Bring the Delta logs of relations to what is stored now, for engines that read them one by one.

        Never backwards, and nothing where a log says it already; whoever writes a relation next, or `vacuum`, does what
        a writer that died has left undone.
        """
        from deltalake import Schema
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import CommitProperties, Transaction

        for name in relations:
            self._create(name)
            for _ in range(_PATIENCE):
                runs, table = self._open(RUNS.name), self._open(name)
                version = runs.version()
                if (table.transaction_version(_PUBLISHED) or 0) >= version:
                    break
                places = self._stored(runs).places.items()
                wanted = {file.path: file for (relation, _), files in places if relation == name for file in files}
                there = {path: size for path, size, _ in _files_of(table)}
                actions = [_add(file) for path, file in wanted.items() if path not in there]
                actions += [_remove(name, path, size) for path, size in there.items() if path not in wanted]
                if not actions:
                    break
                upto = CommitProperties(max_commit_retries=0, app_transactions=[Transaction(_PUBLISHED, version)])
                schema = Schema.from_arrow(RELATIONS[name].table_schema)
                by = list(RELATIONS[name].partition)
                try:
                    if table.schema() != schema:  # of an earlier version: what replaces a partition may change it
                        unit = partition_of(name, actions[0].path)
                        where = [(column, "=", value) for column, value in unit.items()]
                        adds = [_add(file) for file in wanted.values() if dict(file.partition) == unit]
                        table.create_write_transaction(adds, "overwrite", schema, by, where)
                        continue
                    table.create_write_transaction(actions, "append", schema, by, commit_properties=upto)
                    break
                except CommitFailedError:
                    time.sleep(random.random() * 0.05)

    def compact_runs(self) -> None:
        """Put the rows of many runs into one file, where no other run is stored meanwhile."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from deltalake import Schema
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import CommitProperties

        runs = self._open(RUNS.name)
        small = [(path, size) for path, size, rows in _files_of(runs) if rows < _SMALL]
        if len(small) < _SMALL:
            return
        tables = []
        for path, _ in small:
            with self.storage.open_uri(f"{self._uri(RUNS.name)}/{path}") as stream:
                tables.append(pq.ParquetFile(stream).read())
        rows = pa.concat_tables(tables, promote_options="default").sort_by("started_at")
        path, stream = self.storage.new_data_file(
            RUNS, {}, f"runs-{runs.version()}-{random.randbytes(4).hex()}.parquet"
        )
        with stream:
            pq.write_table(rows, stream, compression="zstd", store_schema=False)
        file = DataFile(path, self.storage.size(RUNS.name, path), rows.num_rows, {})
        actions = [_add(file, False), *(_remove(RUNS.name, path, size, False) for path, size in small)]
        schema = Schema.from_arrow(RUNS.table_schema)
        try:
            runs.create_write_transaction(
                actions, "append", schema, commit_properties=CommitProperties(max_commit_retries=0)
            )
        except CommitFailedError:  # the next run tries again
            self.storage.delete_data_file(RUNS.name, path)

    # -- files that nobody needs ----------------------------------------------------------------------------

    def vacuum(self, retain_hours: float) -> list[str]:
        """Delete data files that no snapshot of the last `retain_hours` has used; return their paths."""
        self.publish(name for name in RELATIONS if name != RUNS.name and self._exists(name))
        latest = time.time() - retain_hours * 3600
        given_up = self._given_up()
        removed = []
        for relation, path, changed in self.unused_files():
            if given_up.get((relation, path), changed) <= latest:
                self.storage.delete_data_file(relation, path)
                removed.append(f"{relation}/{path}")
        return removed

    def _given_up(self) -> dict[tuple[str, str], float]:
        """Return when each file that a run had stored gave way to another run's: seconds since 1970."""
        rows = [row for row in self._runs(self._open(RUNS.name)) if row[0] is not None]
        stored: dict[Place, list[DataFile]] = {}
        found = {}
        for _, text, finished in sorted(rows):
            for place, files in read_manifest(str(text)).places.items():
                for file in stored.get(place, []):
                    found[place[0], file.path] = finished.replace(tzinfo=UTC).timestamp()
                stored[place] = files
        return found

    def unused_files(self) -> list[tuple[str, str, float]]:
        """Return (relation, path, time of change) of each data file that the present snapshot does not use."""
        unused = []
        for name, uris in self.snapshot().items():
            used = {self.path_of(name, uri) for uri in uris}
            unused += [(name, path, when) for path, when in self.storage.data_files(name) if path not in used]
        return unused

    def path_of(self, relation: str, uri: str) -> str:
        """Return a data file's path inside its relation's folder."""
        return uri.removeprefix(self._uri(relation) + "/")

    # -- Delta ----------------------------------------------------------------------------------------------

    def _uri(self, name: str) -> str:
        return f"{self.storage.uri}/{name}"

    def _exists(self, name: str) -> bool:
        from deltalake import DeltaTable

        try:
            return bool(DeltaTable.is_deltatable(self._uri(name)))
        except OSError as error:
            raise StorageError(
                f"{self.storage} does not answer: {first_line(error)}; is the store there, and are these its "
                "credentials?"
            ) from error

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

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(self._uri(name), version=version)
        except TableNotFoundError as error:
            raise StorageError(
                f"no warehouse at {self.storage}: make one with `nwh init`, or name it with --warehouse"
            ) from error
        except (DeltaError, OSError) as error:
            way_out = "" if self.storage.local else "; is the store there, and are these its credentials?"
            raise StorageError(
                f"table {name} of {self.storage} cannot be read: {first_line(error)}{way_out}"
            ) from error


def _files_of(table: DeltaTable) -> list[tuple[str, int, int]]:
    """Return path, bytes and rows of a Delta table's files; Delta writes a blank as %20."""
    added = table.get_add_actions()
    columns = (added[name].to_pylist() for name in ("path", "size_bytes", "num_records"))
    return [(unquote(path), size, rows) for path, size, rows in zip(*columns, strict=True)]


def _add(file: DataFile, changes: bool = True) -> Any:
    from deltalake.transaction import AddAction

    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.path, file.size, dict(file.partition), int(time.time() * 1000), changes, stats)


def _remove(relation: str, path: str, size: int, changes: bool = True) -> Any:
    from deltalake.transaction import RemoveAction

    partition: dict[str, str | None] = {**partition_of(relation, path)}
    return RemoveAction(path, changes, int(time.time() * 1000), size, partition)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type's name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
