"""Statements that others wrote, as a server runs them: they only read, for so many seconds and so many rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Event, Timer
from typing import Any

import duckdb

from nwh.warehouse import output, sandbox
from nwh.warehouse.errors import NwhError, UsageError
from nwh.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Result:
    """The first rows of a statement.

    columns: names that occur once each (`a`, `a_1` where a statement names two columns `a`).
    cut: whether there were more rows. seconds: until the last of these rows was there.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    cut: bool
    seconds: float

    @property
    def values(self) -> dict[str, list[Any]]:
        """The columns by name, values as JSON knows them."""
        return {name: [output.plain(row[i]) for row in self.rows] for i, name in enumerate(self.columns)}

    def file(self, format: output.Format) -> bytes:
        """Return the rows as the file that `nwh sql --format` writes."""
        stream = BytesIO()
        output.write_rows(self.columns, self.rows, format, stream)
        return stream.getvalue()


def open_limited(uri: str) -> Warehouse:
    """Open a warehouse as `nwh sql` does: its connection reads the files of its snapshot and nothing else."""
    warehouse = Warehouse.open(uri)
    sandbox.restrict(warehouse.connection, warehouse.snapshot)
    return warehouse


def run(warehouse: Warehouse, query: str, max_rows: int, max_seconds: float) -> Result:
    """Return the first `max_rows` rows of one statement that reads.

    warehouse: from `open_limited`; sessions can share it. UsageError, with all that DuckDB says, for another kind of
    statement, for one that fails, and for one that takes longer than `max_seconds`, which is stopped.
    """
    began = time.monotonic()
    with warehouse.connection.cursor() as cursor, _stopped_after(cursor, max_seconds):
        result = sandbox.select(cursor, query)
        columns = output.columns(result)
        rows = result.fetchmany(max_rows + 1)  # DuckDB computes no row before it is fetched
    return Result(columns, rows[:max_rows], len(rows) > max_rows, time.monotonic() - began)


@contextmanager
def _stopped_after(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what a cursor runs when the time is up; raise what goes wrong as an error of ours.

    Other cursors of the connection go on.
    """
    time_is_up = Event()

    def stop() -> None:
        time_is_up.set()
        with suppress(duckdb.Error):  # the cursor may be closed by now
            cursor.interrupt()

    timer = Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        with sandbox.explained():
            yield
    except NwhError as error:
        if time_is_up.is_set():
            raise UsageError(
                f"the statement was stopped after {seconds:g} s: ask for less (one model, one layer, a limit), give it "
                "more time, or run it with `nwh sql`, which has no time limit"
            ) from error
        raise
    finally:
        timer.cancel()
