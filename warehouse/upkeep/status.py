"""What is running, interrupted and stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nwh.warehouse.jobs import command
from nwh.warehouse.schema import SCHEMA_VERSION
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.provenance import Provenance
from nwh.warehouse.warehouse import Warehouse

COLUMNS = ["state", "job", "unit", "run_id", "done", "total", "rows", "seconds", "finished_at"]


def status(warehouse: Warehouse) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows: running jobs, interrupted ones that can go on, then completed runs.

    Of completed runs, the last of each job and unit; `done` and `total` count what the job's bar counts. Those are
    `stale` whose rows were made of what is not stored any more, and `removed` whose rows went with what they were
    made of.
    """
    storage = warehouse.storage
    staged = {place: resume_state.describe(storage, place) or {} for place in storage.staged_places()}
    at_work = {holder["run_id"]: holder for holder in storage.held_locks().values() if "place" in holder}
    rows: list[tuple[Any, ...]] = []
    for run_id, holder in sorted(at_work.items()):
        job, _, unit = holder["place"].partition("/")
        saved = staged.pop(holder["place"], {})
        rows.append(("running", job, unit, run_id, saved.get("done"), saved.get("total"), None, None, None))
    for place, saved in staged.items():
        job, _, unit = place.partition("/")
        progress = (
            saved.get("run_id"),
            saved.get("done"),
            saved.get("total"),
            None,
            saved.get("seconds"),
            None,
        )
        rows.append(("interrupted", job, unit, *progress))
    stored = Provenance(storage, warehouse.tables.snapshot())
    stale = {(each.run.job, each.run.unit) for each in stored.stale()}
    completed = warehouse.sql(
        "select job, unit, run_id, null, null, rows, round(seconds, 1), date_trunc('second', finished_at) from runs "
        "qualify row_number() over (partition by job, unit order by started_at desc) = 1 order by started_at"
    ).fetchall()
    for job, unit, run_id, *figures in completed:
        there = not figures[2] or stored.holds(job, run_id)
        state = "stale" if (job, unit) in stale else "complete" if there else "removed"
        rows.append((state, job, unit, run_id, *figures))
    return COLUMNS, rows


def behind(warehouse: Warehouse) -> Iterator[str]:
    """Yield a line with the command that mends it where a warehouse is of an earlier version."""
    if (version := warehouse.version) < SCHEMA_VERSION:
        yield (
            f"this warehouse is of version {version}: it is read as it is, and what is new since then is missing until "
            f"`nwh upgrade` has brought it to version {SCHEMA_VERSION}"
        )


def stale_units(warehouse: Warehouse) -> list[str]:
    """Return a line for each unit that was made of what is not stored any more, with the command that mends it."""
    stored = Provenance(warehouse.storage, warehouse.tables.snapshot())
    sources: dict[tuple[str, str], str] = {
        (model, checkpoint): source
        for model, checkpoint, source in warehouse.sql("select model, checkpoint, source from checkpoints").fetchall()
    }

    def source_of(model: str, checkpoint: str) -> str:
        return sources.get((model, checkpoint), model)

    lines = {}
    for each in stored.stale():
        job, unit = each.run.job, each.run.unit
        mend = command(job, each.run.settings, source_of)
        lines[job, unit] = f"{job} of {unit} are of {each.of}, and are not shown: `{mend}` makes them anew"
    return list(lines.values())
