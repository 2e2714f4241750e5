"""The warehouse as Python sees it: open, ask in SQL or polars, run jobs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import duckdb

from nwh.warehouse import memory, sandbox
from nwh.warehouse.catalog import views
from nwh.warehouse.errors import BusyError, StorageError, UsageError, first_line
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import SHARDS, Storage
from nwh.warehouse.storage.provenance import Provenance, Snapshot, partition_of
from nwh.warehouse.storage.refusals import through_duckdb
from nwh.warehouse.storage.replacing import refuse_early, settle
from nwh.warehouse.storage.runs import Run, Unit, check_folders, check_others, settings_folder, unit_name
from nwh.warehouse.storage.staged_shards import needless
from nwh.warehouse.storage.tables import Tables
from nwh.warehouse.storage.units import Units

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)

_WRITING = "writing"  # the lock that runs share and a vacuum holds alone
_DAY = 24  # hours


class Warehouse:
    """One warehouse: a consistent snapshot of its relations, and the way to change them.

    >>> warehouse = Warehouse.open("nwh-data")
    >>> warehouse.sql("select corpus, n_sentences from corpora").pl()
    """

    def __init__(self, storage: Storage) -> None:
        """Use `Warehouse.open` or `Warehouse.create`."""
        self.storage = storage
        self.tables = Tables(storage)

    @classmethod
    def open(cls, uri: str | os.PathLike[str] | None = None) -> Warehouse:
        """Open a warehouse: `uri`, else `$NWH_WAREHOUSE`, else `./nwh-data`.

        StorageError where there is none, or it is of a later version.
        """
        warehouse = cls(Storage(uri))
        warehouse.refresh()
        return warehouse

    @classmethod
    def create(cls, uri: str | os.PathLike[str] | None = None) -> Warehouse:
        """Open a warehouse, making it first where there is none."""
        warehouse = cls(Storage(uri))
        if warehouse.tables.exist():
            warehouse.refresh()
        else:
            with warehouse.storage.answering():
                warehouse.tables.initialise()
                warehouse.publish_catalog()
        return warehouse

    # -- reading --------------------------------------------------------------------------------------------

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files of every relation, all of the moment this warehouse was opened or last refreshed.

        Without those of stale units: see `warehouse.storage.provenance`.
        """
        return self.provenance.shown()

    @cached_property
    def provenance(self) -> Provenance:
        """Which run stored what there is at that moment, stale units included."""
        return self.tables.provenance()

    @cached_property
    def units(self) -> Units:
        """Where each unit of a job stands at that moment."""
        query = "select job, unit, run_id, settings, rows, seconds, finished_at from runs order by started_at desc"
        return Units(self.provenance, self.sql(query).fetchall())

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB connection with a view for every relation and every question of `sql/`; it changes no file."""
        copied = views.open_published(self.snapshot, self.storage)
        if copied is None:
            self._renew_catalog()
            copied = views.open_published(self.snapshot, self.storage)
        return views.connect(self.snapshot, self.storage, self.tables.known_sizes(), copied)

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor of the connection, so that threads can share a warehouse.

        StorageError where a file cannot be read, MemoryLimitError where a question needs more than it may use.
        """
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except duckdb.OutOfMemoryException as error:
            raise sandbox.out_of_memory(error) from error
        except duckdb.Error as error:
            if refused := through_duckdb(error):
                raise refused from error
            named = any(uri in str(error) for uris in self.snapshot.values() for uri in uris)
            if not isinstance(error, duckdb.IOException) or not named:
                raise
            raise StorageError(
                f"a file of {self.storage} cannot be read: {first_line(error)}; `nwh verify` checks all of them"
            ) from error

    def refresh(self) -> None:
        """See what other runs have stored since."""
        for name in ("connection", "units", "provenance", "snapshot"):
            self.__dict__.pop(name, None)
        with self.storage.answering():
            self.snapshot  # noqa: B018  (a damaged table is named now)

    def sql(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
        """Ask in SQL; returns a DuckDB relation (`.pl()`, `.arrow()`, `.df()`, `.fetchall()`)."""
        return self.connection.sql(query, params=params)

    @property
    def version(self) -> int:
        """The version of the schema that all is stored in, at most SCHEMA_VERSION: `nwh upgrade` brings it there."""
        return self.tables.now()[1].schema_version

    def scan(self, relation: str) -> pl.LazyFrame:
        """Return a stored relation as a polars LazyFrame. UsageError for an unknown name."""
        import polars as pl

        if relation not in RELATIONS:
            raise UsageError(f"no stored relation {relation!r}; there are {', '.join(RELATIONS)}")
        about, files = RELATIONS[relation], self.snapshot.get(relation)
        if not files:
            return pl.LazyFrame(pl.from_arrow(about.table_schema.empty_table()))
        text = dict.fromkeys(about.partition, pl.String)
        columns = pl.Schema(about.file_schema)  # what files of earlier versions lack is null
        scanned = partial(pl.scan_parquet, files, schema=columns, glob=False, missing_columns="insert")
        if "=" not in self.storage.uri:
            found = scanned(hive_schema=text, hive_partitioning=bool(text))
        else:  # polars would take the folder for a column
            path = pl.col("_path")
            keys = [path.str.extract(f"^.*/{key}=([^/]*)/").alias(key) for key in about.partition]
            found = scanned(hive_partitioning=False, include_file_paths="_path").with_columns(keys)
        return found.select(about.column_names)

    def partitions(self, relation: str, wanted: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the partitions of a relation that hold rows and have the wanted values, as column -> value."""
        found = (tuple(partition_of(relation, uri).items()) for uri in self.snapshot.get(relation, []))
        units = map(dict, dict.fromkeys(found))
        return [unit for unit in units if all(unit.get(name, value) == value for name, value in wanted.items())]

    # -- writing --------------------------------------------------------------------------------------------

    @contextmanager
    def run(
        self,
        job: str,
        unit: Unit,
        settings: Mapping[str, Any],
        *,
        again: bool = False,
        locks: Sequence[Unit] = (),
        progress: Progress = SILENT,
    ) -> Iterator[Run]:
        """Run a job on a unit: what it writes becomes visible when the block ends well, all at once.

        Its notes, and when it begins and has ended, go to `progress`.

        What others have derived from rows that the run replaces is emptied with the same step where `again` says
        so; otherwise UsageError names it: before the block where that can be known, else after it. A corpus or
        prompts that come out as they were leave everything as it is.

        `locks` are finer units to hold instead of the whole one (several sites of one unit). Raises BusyError,
        naming the other run, where one of them is held already, where another run reads what this one makes anew,
        and after the block where what this one has read has been replaced meanwhile; UsageError for a unit that no
        folder can be named by.
        """
        run = Run(self.storage, job, unit, settings, locks, progress)
        if self.storage.local:
            check_folders(unit)
        with self._working(run, sorted(f"{job}/{unit_name(lock)}" for lock in run.locks)):
            snapshot, began_with = self.tables.now()
            if snapshot["runs"] != self.snapshot["runs"]:  # others have stored since: work on theirs
                self.refresh()
            if not again:
                refuse_early(self.provenance, run)
            what = f"{job} {unit_name(unit)}"
            progress.begun(what, settings.get("device"))
            try:
                yield run
            except BaseException:
                run.discard()
                raise
            self.tables.commit(run, lambda now, stored: settle(began_with, now, stored, run, again))
            self.tables.publish({relation for relation, _ in run.places})
            self.tables.compact_runs()
            self.publish_catalog()
            self.storage.discard_staged(run.place)
            self.storage.discard_staged(f"{SHARDS}/{run.place}/{settings_folder(settings)}")
            progress.ended(what, run.rows, run.seconds)

    @contextmanager
    def share(
        self,
        job: str,
        unit: Unit,
        settings: Mapping[str, Any],
        shard: Shard,
        *,
        locks: Sequence[Unit] = (),
        progress: Progress = SILENT,
    ) -> Iterator[Run]:
        """Do a share of a job's work on a unit, which stays staged: nothing is stored. See `storage.staged_shards`.

        Raises BusyError where another process does it, or makes anew what it reads.
        """
        run = Run(self.storage, job, unit, settings, locks, progress, shard)
        with self._working(run, [f"{job}/{run.place.partition(f'/{job}/')[2]}"]):
            what = f"shard {shard} of {job} {unit_name(unit)}"
            progress.begun(what, settings.get("device"))
            yield run
            progress.ended(what, run.rows, run.seconds)

    @contextmanager
    def _working(self, run: Run, locks: Sequence[str]) -> Iterator[None]:
        """Hold what no other process may work on meanwhile; BusyError where one does."""
        with self.storage.answering(), ExitStack() as held:
            held.enter_context(self.storage.locks.hold(_WRITING, wait=True, shared=True))
            for lock in locks:
                held.enter_context(self.storage.locks.hold(lock, {"run_id": run.run_id, "place": run.place}))
            check_others(run)
            yield

    def publish_catalog(self) -> None:
        """Rebuild `nwh.duckdb`, the views for any DuckDB client, and see what is stored now."""
        with self.storage.locks.hold("catalog", wait=True):  # else an older one could come after a newer one
            self.refresh()
            self.storage.publish_catalog(lambda path: views.build(path, self.snapshot, self.storage))

    def _renew_catalog(self) -> None:
        """Make `nwh.duckdb` anew, and say so, where the warehouse was moved or copied, or other code made the file.

        Where we cannot write, or a run is being stored, it stays as it is, and is not used.
        """
        with suppress(BusyError, OSError), self.storage.locks.hold("catalog"):
            latest, _ = self.tables.now()
            if (current := views.open_published(latest, self.storage)) is not None:
                current.close()
            else:
                self.storage.publish_catalog(lambda path: views.build(path, latest, self.storage, afresh=True))
                path = self.storage.catalog
                _log.warning("%s is made anew: it was of another folder or another version of nwh", path)

    def vacuum(self, retain_hours: int, staging: bool = False) -> list[str]:
        """Delete files that no snapshot of the last `retain_hours` used, and what is cached of texts that are gone.

        So are shards of what is stored by now. With `staging`, all partial results of interrupted runs too. Returns the
        paths. BusyError while a job runs: its files are not part of a snapshot yet. UsageError for less than a day in
        an object store, which does not know who is at work.
        """
        if not self.storage.local and retain_hours < _DAY:
            raise UsageError(
                f"--retain-hours {retain_hours} could take the files of a run that is under way elsewhere: in an "
                f"object store it is {_DAY} at least"
            )
        with self.storage.answering(), ExitStack() as held:
            try:
                held.enter_context(self.storage.locks.hold(_WRITING))  # runs that come now wait
            except BusyError:
                running = [holder["run_id"] for holder in self.storage.locks.held().values() if "place" in holder]
                raise BusyError(
                    f"{f'run {running[0]}' if running else 'another process'} is under way: vacuum when it has ended "
                    "(`nwh status` shows it)"
                ) from None
            removed = self.tables.vacuum(retain_hours)
            memory.remove_abandoned(memory.spill_folder(self.storage))
            self.refresh()
            texts = {text for (text,) in self.sql("select settings ->> 'text_sha256' from corpora").fetchall()}
            removed += [f"cache/{name}" for name in self.storage.cache.vacuum(texts)]
            stored = self.units.all()
            for place in [*(self.storage.staged_places() if staging else needless(self.storage, stored, texts))]:
                self.storage.discard_staged(place)
                removed.append(f"staging/{place}")
            return removed
