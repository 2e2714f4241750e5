"""What is running, interrupted and stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nwh.warehouse.jobs import command
from nwh.warehouse.schema import SCHEMA_VERSION
from nwh.warehouse.storage.provenance import Provenance
from nwh.warehouse.storage.units import units_under_way
from nwh.warehouse.warehouse import Warehouse

COLUMNS = ["state", "job", "unit", "run_id", "done", "total", "rows", "seconds", "finished_at"]


def status(warehouse: Warehouse) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows: running jobs, interrupted ones that can go on, then completed runs.

    Of completed runs, the last of each job and unit; `done` and `total` count what the job's bar counts. Those are
    `stale` whose rows were made of what is not stored any more, and `removed` whose rows went with what they were
    made of.
    """
    rows: list[tuple[Any, ...]] = [
        (each.state, each.job, each.unit, each.run_id, each.done, each.total, None, each.seconds, None)
        for each in units_under_way(warehouse.storage)
    ]
    for each in warehouse.units.all():
        figures = each.rows, round(each.seconds, 1), each.finished_at.replace(microsecond=0)
        rows.append((each.state, each.job, each.unit, each.run_id, None, None, *figures))
    return COLUMNS, rows


def behind(warehouse: Warehouse) -> Iterator[str]:
    """Yield a line with the command that mends it where a warehouse is of an earlier version."""
    if (version := warehouse.version) < SCHEMA_VERSION:
        yield (
            f"this warehouse is of version {version}: it is read as it is, and what is new since then is missing until "
            f"`nwh upgrade` has brought it to version {SCHEMA_VERSION}"
        )


def stale_units(warehouse: Warehouse, stored: Provenance | None = None) -> list[str]:
    """Return a line for each unit that was made of what is not stored any more, with the command that mends it.

    stored: what is looked through; what the warehouse takes to be stale unless given.
    """
    sources: dict[tuple[str, str], str] = {
        (model, checkpoint): source
        for model, checkpoint, source in warehouse.sql("select model, checkpoint, source from checkpoints").fetchall()
    }

    def source_of(model: str, checkpoint: str) -> str:
        return sources.get((model, checkpoint), model)

    lines = {}
    for each in (stored or warehouse.provenance).stale():
        job, unit = each.run.job, each.run.unit
        mend = command(job, each.run.settings, source_of)
        lines[job, unit] = f"{job} of {unit} are of {each.of}, and are not shown: `{mend}` makes them anew"
    return list(lines.values())
