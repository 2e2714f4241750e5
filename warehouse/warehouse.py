"""The warehouse as Python sees it: open, ask in SQL or polars, run jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nwh.warehouse import catalog
from nwh.warehouse.errors import BusyError, StorageError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.runs import Run, Unit, unit_name
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage import Storage
from nwh.warehouse.tables import Snapshot, Tables, first_line

if TYPE_CHECKING:
    import duckdb
    import polars as pl


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
        """Open a warehouse: `uri`, else `$NWH_WAREHOUSE`, else `./nwh-data`. StorageError where there is none."""
        warehouse = cls(Storage(uri or os.environ.get("NWH_WAREHOUSE") or "nwh-data"))
        warehouse.refresh()
        return warehouse

    @classmethod
    def create(cls, uri: str | os.PathLike[str] | None = None) -> Warehouse:
        """Open a warehouse, making it first where there is none."""
        warehouse = cls(Storage(uri or os.environ.get("NWH_WAREHOUSE") or "nwh-data"))
        if not warehouse.tables.exist():
            warehouse.tables.initialise()
            warehouse.publish_catalog()
        return warehouse

    # -- reading --------------------------------------------------------------------------------------------

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files of every relation, all of the moment this warehouse was opened or last refreshed."""
        return self.tables.snapshot()

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB connection with a view for every relation and every question of `sql/`; it changes no file."""
        return catalog.connect(self.snapshot, self.storage.catalog_path)

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor of the connection, so that threads can share a warehouse.

        StorageError where a file cannot be read.
        """
        import duckdb

        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except duckdb.IOException as error:
            raise StorageError(
                f"a file of {self.storage} cannot be read: {first_line(error)}; `nwh verify` checks all of them"
            ) from error

    def refresh(self) -> None:
        """See what other runs have stored since."""
        self.__dict__.pop("connection", None)
        self.snapshot = self.tables.snapshot()

    def sql(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
        """Ask in SQL; returns a DuckDB relation (`.pl()`, `.arrow()`, `.df()`, `.fetchall()`)."""
        return self.connection.sql(query, params=params)

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
        found = pl.scan_parquet(
            files, schema=columns, hive_schema=text, hive_partitioning=bool(text), missing_columns="insert"
        )
        return found.select(about.column_names)

    def partitions(self, relation: str, wanted: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the partitions of a relation that hold rows and have the wanted values, as column -> value."""
        folders = (self.tables.path_of(relation, uri).split("/")[:-1] for uri in self.snapshot.get(relation, []))
        units = [dict(folder.split("=", 1) for folder in of_file) for of_file in dict.fromkeys(map(tuple, folders))]
        return [unit for unit in units if all(unit.get(name, value) == value for name, value in wanted.items())]

    def latest_settings(self, job: str, unit: Unit) -> dict[str, Any] | None:
        """Return the settings of the last completed run of a job on a unit; null where there is none."""
        rows = self.sql(
            "select settings from runs where job = $1 and unit = $2 order by started_at desc limit 1",
            [job, unit_name(unit)],
        ).fetchall()
        return dict(json.loads(rows[0][0])) if rows else None

    # -- writing --------------------------------------------------------------------------------------------

    @contextmanager
    def run(
        self,
        job: str,
        unit: Unit,
        settings: Mapping[str, Any],
        *,
        locks: Sequence[Unit] = (),
        progress: Progress = SILENT,
    ) -> Iterator[Run]:
        """Run a job on a unit: what it writes becomes visible when the block ends well, all at once.

        Its notes, and when it begins and has ended, go to `progress`.

        `locks` are finer units to hold instead of the whole one (several sites of one unit). Raises BusyError,
        naming the other run, where one of them is held already.
        """
        run = Run(self.storage, job, unit, settings, progress)
        with ExitStack() as held:
            for lock in sorted(f"{job}/{unit_name(lock)}" for lock in (locks or [unit])):
                held.enter_context(self.storage.lock(lock, {"run_id": run.run_id, "place": run.place}))
            what = f"{job} {unit_name(unit)}"
            progress.begun(what, settings.get("device"))
            try:
                yield run
            except BaseException:
                run.discard()
                raise
            replaced, files = run.complete()
            with self.storage.lock("commit", {"run_id": run.run_id}, wait=True):
                self.tables.commit(replaced, files)
                self.publish_catalog()
            self.storage.discard_staged(run.place)
            progress.ended(what, run.rows, run.seconds)

    def publish_catalog(self) -> None:
        """Rebuild `nwh.duckdb`, the views for any DuckDB client."""
        self.refresh()
        self.storage.publish_catalog(lambda path: catalog.build(path, self.snapshot))

    def vacuum(self, retain_hours: int, staging: bool = False) -> list[str]:
        """Delete files that no snapshot of the last `retain_hours` used; return their paths.

        With `staging`, partial results of interrupted runs too. BusyError while a job runs: its files are not
        part of a snapshot yet.
        """
        with self.storage.lock("commit", wait=True):
            running = [holder["run_id"] for name, holder in self.storage.held_locks().items() if "/" in name]
            if running:
                raise BusyError(f"run {running[0]} is under way: vacuum when it has ended (`nwh status` shows it)")
            removed = self.tables.vacuum(retain_hours)
            for place in self.storage.staged_places() if staging else []:
                self.storage.discard_staged(place)
                removed.append(f"staging/{place}")
            return removed
