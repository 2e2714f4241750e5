"""The tables of a warehouse: what is stored, and all-or-nothing commits over several relations by several writers."""

from __future__ import annotations

import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import RLock
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from nwh.warehouse.errors import BusyError, StorageError
from nwh.warehouse.schema import RELATIONS, RUNS, SCHEMA_VERSION
from nwh.warehouse.storage import delta
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.manifests import DataFile, Manifest, Place, fold
from nwh.warehouse.storage.provenance import Provenance, Snapshot
from nwh.warehouse.storage.runs import Run

_PUBLISHED = "runs"
"""Application transaction of every other table: the version of `runs` that its log has been brought to."""
_SMALL = 64  # files of single runs, after which they are put into one
_PATIENCE = 100  # tries of a commit while others come first


class _Runs(NamedTuple):
    """The table of runs at one version, with its files."""

    version: int
    files: list[DataFile]


class Tables:
    """The tables of one warehouse: `runs`, by whose manifests the rest is read (see `manifests`), and the others."""

    def __init__(self, storage: Storage) -> None:
        """Look at nothing yet."""
        self.storage = storage
        self._opened: dict[str, DeltaTable] = {}  # tables of relations, as of when they were read last
        self._locks = {name: RLock() for name in RELATIONS}  # of each: reading on changes it for all who have it
        self._runs: _Runs | None = None
        self._folded: tuple[int, Manifest] | None = None  # a version of `runs`, and what was stored then

    def exist(self) -> bool:
        """Return whether a warehouse was initialised here."""
        return delta.exists(self.storage, RUNS.name)

    def initialise(self) -> None:
        """Make an empty warehouse: the table of runs. Others are made when the first run writes them."""
        delta.create(self.storage, RUNS.name)

    def version(self) -> int:
        """Return how many times the warehouse has changed: the version of the table of runs."""
        return self._open_runs().version

    # -- reading --------------------------------------------------------------------------------------------

    def now(self) -> tuple[Snapshot, Manifest]:
        """Return what is stored as of the last completed run, what is stale included.

        The URIs of every relation's files, and the files of every place.
        """
        runs = self._open_runs()
        return self._snapshot(runs), self._stored(runs)

    def known_sizes(self) -> dict[str, int]:
        """Return the bytes of each file of an object store, by URI, as of the last look at it: they need no asking."""
        if self.storage.local or self._runs is None:
            return {}
        return {
            self._uri(name, file.path): file.size for name, files in self._files(self._runs).items() for file in files
        }

    def provenance(self) -> Provenance:
        """Return what is stored as of the last completed run, by which runs, and what of it is stale.

        Only a warehouse that an earlier version has written to can have stale units: the last run says whether.
        """
        snapshot, stored = self.now()
        return Provenance(self.storage, snapshot, nothing_stale=stored.nothing_stale)

    def files_of(self, relation: str) -> dict[str, DataFile]:
        """Return each file of a relation, by path, as it was written."""
        runs = self._open_runs()
        files = runs.files if relation == RUNS.name else self._stored(runs).files(relation)
        return {file.path: file for file in files}

    def unused_files(self) -> list[tuple[str, str, float]]:
        """Return (relation, path, time of change) of each data file that the present snapshot does not use."""
        unused, (snapshot, _) = [], self.now()
        for name in RELATIONS:
            used = {self.path_of(name, uri) for uri in snapshot.get(name, ())}
            unused += [(name, path, when) for path, when in self.storage.data_files(name) if path not in used]
        return unused

    def path_of(self, relation: str, uri: str) -> str:
        """Return a data file's path inside its relation's folder."""
        return uri.removeprefix(self._uri(relation, ""))

    def _uri(self, relation: str, path: str) -> str:
        return f"{self.storage.uri}/{relation}/{path}"

    def _open(self, name: str) -> DeltaTable:
        """Return a relation's table as it is now, and stays while its lock is held."""
        if name not in self._opened or not delta.read_on(self.storage, name, self._opened[name]):
            self._opened[name] = delta.open_table(self.storage, name)
        return self._opened[name]

    def _open_runs(self) -> _Runs:
        """Return the table of runs as it is now."""
        with self._locks[RUNS.name]:
            table = self._open(RUNS.name)
            if self._runs is None or self._runs.version != table.version():
                self._runs = _Runs(table.version(), delta.files_of(RUNS.name, table))
            return self._runs

    def _change_runs(self, runs: _Runs, added: DataFile, removed: Sequence[DataFile] = ()) -> bool:
        """Add and remove files of `runs` at the version that follows one; return whether nobody came first."""
        with self._locks[RUNS.name]:
            table = self._opened[RUNS.name]
            return table.version() == runs.version and delta.change(
                RUNS.name, table, [added], removed, rewrites=bool(removed)
            )

    def _stored(self, runs: _Runs) -> Manifest:
        if self._folded is None or self._folded[0] != runs.version:
            stored = fold(self._rows(runs.files))
            self._folded = runs.version, stored or self._without_manifests(runs.version)
        stored = self._folded[1]
        if stored.schema_version > SCHEMA_VERSION:
            raise StorageError(
                f"{self.storage} is a warehouse of version {stored.schema_version}, and this program knows versions up "
                f"to {SCHEMA_VERSION}: `pip install --upgrade nwh`"
            )
        return stored

    def _rows(self, files: Sequence[DataFile]) -> Iterator[tuple[int | None, str | None]]:
        """Yield `seq` and manifest of each run in files of `runs`; nwh 0.1 wrote neither."""
        for table in self.storage.read_runs([self._uri(RUNS.name, file.path) for file in files]):
            if "seq" in table.column_names:
                yield from zip(table["seq"].to_pylist(), table["manifest"].to_pylist(), strict=True)

    def _without_manifests(self, now: int) -> Manifest:
        """Return what is stored where only nwh 0.1 has written.

        Its runs recorded in the log of `runs` the version of every table that they wrote.
        """
        runs = delta.open_table(self.storage, RUNS.name, now)
        places: dict[Place, list[DataFile]] = defaultdict(list)
        for name in RELATIONS:
            if (version := runs.transaction_version(name)) is not None:
                for file in delta.files_of(name, delta.open_table(self.storage, name, version)):
                    places[name, tuple(file.partition.values())].append(file)
        checked = runs.transaction_version("provenance") == now
        return Manifest(places, False, checked or not places, 1 if places else SCHEMA_VERSION)

    def _snapshot(self, runs: _Runs) -> Snapshot:
        """Return files by relation, the largest first: DuckDB guesses from the first how many rows all have.

        They lie below the warehouse as it was named.
        """
        found = self._files(runs)
        return {
            name: [self._uri(name, file.path) for file in sorted(found[name], key=lambda file: (-file.size, file.path))]
            for name in RELATIONS
            if name in found
        }

    def _files(self, runs: _Runs) -> dict[str, list[DataFile]]:
        found = defaultdict(list, {RUNS.name: runs.files})
        for (relation, _), files in self._stored(runs).places.items():
            found[relation] += files
        return found

    # -- writing --------------------------------------------------------------------------------------------

    def commit(self, run: Run, settle: Callable[[Manifest, Provenance], Manifest]) -> None:
        """Make a run visible: append its row to `runs`, at the version that follows the one it was decided on.

        settle: given what is stored by now, says what the run stores, or raises: then the run's files go. Where others
        commit first it is asked again; BusyError after `_PATIENCE` tries. An error while the row is being appended
        leaves the files: the row may be there.
        """
        for attempt in range(_PATIENCE):
            try:
                runs = self._open_runs()
                before = self._stored(runs)
                manifest = settle(before, Provenance(self.storage, self._snapshot(runs)))
                if not before.whole:  # of nwh 0.1
                    manifest = replace(manifest, places={**before.places, **manifest.places}, whole=True)
                manifest = replace(manifest, schema_version=SCHEMA_VERSION if run.upgraded else before.schema_version)
                file = run.complete(runs.version + 1, manifest.text, f"{run.run_id}-{attempt}.parquet")
            except BaseException:
                run.discard()
                raise
            if self._change_runs(runs, file):
                return
            if any(there.path == file.path for there in self._open_runs().files):
                return  # a store took it, and its answer was lost
            self.storage.delete_data_file(RUNS.name, file.path)
            time.sleep(random.random() * 0.05 * min(attempt + 1, 10))
        raise BusyError(f"{_PATIENCE} other runs came before run {run.run_id} in {self.storage}: run the command again")

    def publish(self, relations: Iterable[str]) -> None:
        """Bring the Delta logs of relations to what is stored now, for engines that read them one by one.

        Never backwards, and nothing where a log says it already; whoever writes a relation next, or `vacuum`, does what
        a writer that died has left undone.
        """
        runs, names = self._open_runs(), list(relations)
        if self.storage.local or not names:
            for name in names:
                self._publish(name, runs)
        else:
            with ThreadPoolExecutor(len(names)) as threads:
                list(threads.map(lambda name: self._publish(name, runs), names))

    def _publish(self, name: str, runs: _Runs) -> None:
        with self._locks[name]:
            if name not in self._opened:
                delta.create(self.storage, name)
            for _ in range(_PATIENCE):
                if self._is_published(name, runs):
                    break
                time.sleep(random.random() * 0.05)

    def _is_published(self, name: str, runs: _Runs) -> bool:
        """Bring a relation's log to what is stored; return whether it is, and no other writer came first."""
        table = self._open(name)
        if (table.transaction_version(_PUBLISHED) or 0) >= runs.version:
            return True
        wanted = {file.path: file for file in self._stored(runs).files(name)}
        there = {file.path: file for file in delta.files_of(name, table)}
        added = [file for path, file in wanted.items() if path not in there]
        removed = [file for path, file in there.items() if path not in wanted]
        if not added and not removed:
            return True
        if delta.adopt_schema(name, table, wanted.values(), (added or removed)[0]):
            return False
        return delta.change(name, table, added, removed, said=(_PUBLISHED, runs.version))

    def compact_runs(self) -> None:
        """Put the rows of many runs into one file; where another run was stored meanwhile, the next one tries again."""
        runs = self._runs or self._open_runs()  # as seen last, which saves asking
        small = [file for file in runs.files if file.rows < _SMALL]
        if len(small) < _SMALL:
            return
        tables = self.storage.read(self._uri(RUNS.name, file.path) for file in small)
        rows = pa.concat_tables(tables, promote_options="default").sort_by("started_at")
        name = f"runs-{runs.version}-{secrets.token_hex(4)}.parquet"
        path, stream = self.storage.new_data_file(RUNS, {}, name)
        with stream:
            pq.write_table(rows, stream, compression="zstd", store_schema=False, write_page_checksum=True)
            merged = DataFile(path, stream.tell(), rows.num_rows, {})
        if not self._change_runs(runs, merged, small):
            self.storage.delete_data_file(RUNS.name, path)

    def vacuum(self, retain_hours: int) -> list[str]:
        """Delete data files that no snapshot of the last `retain_hours` has used; return their paths.

        The logs know since when: they are brought to what is stored first, and name what was never stored too.
        """
        unused = [(name, path) for name, path, _ in self.unused_files()]
        names = {name for name in RELATIONS if delta.exists(self.storage, name)} | {name for name, _ in unused}
        self.publish(names - {RUNS.name})
        old = {(name, path) for name in names for path in delta.unused_since(self.storage, name, retain_hours)}
        removed = [each for each in unused if each in old]
        for name, path in removed:
            self.storage.delete_data_file(name, path)
        return [f"{name}/{path}" for name, path in removed]
