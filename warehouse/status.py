"""What is running, interrupted and stored."""

from __future__ import annotations

from typing import Any

from nwh.warehouse import partial
from nwh.warehouse.warehouse import Warehouse

COLUMNS = ["state", "job", "unit", "run_id", "done", "total", "rows", "seconds", "finished_at"]


def status(warehouse: Warehouse) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows: running jobs, interrupted ones that can go on, then completed runs.

    Of completed runs, the last of each job and unit; `done` and `total` count what the job's bar counts.
    """
    storage = warehouse.storage
    staged = {place: partial.describe(storage, place) or {} for place in storage.staged_places()}
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
    completed = warehouse.sql(
        "select 'complete', job, unit, run_id, null, null, rows, round(seconds, 1), "
        "date_trunc('second', finished_at) from runs "
        "qualify row_number() over (partition by job, unit order by started_at desc) = 1 order by started_at"
    ).fetchall()
    return COLUMNS, rows + completed
