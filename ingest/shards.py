"""A task's work shared by several processes or machines: each stages a shard, a run merges all of them and stores it.

There is nothing between them but files: shards run in any order, anywhere, again after a death, twice by mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from nwh.ingest.job import Task, is_stored, run_once
from nwh.ingest.shard import Shard
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import (
    StagedShard,
    check_settings,
    found_shard,
    missing,
    part_of,
    staged_shards,
    whole_set,
)


def run_shard(
    warehouse: Warehouse, task: Task, shard: Shard, *, again: bool = False, progress: Progress = SILENT
) -> Run | None:
    """Do a share of a task and stage it; who completes the last one merges all, stores them, and returns that run.

    Null otherwise, with a note where there is nothing to do. UsageError where other shards of the unit have other
    settings; BusyError where another process does this share.
    """
    assert task.shares is not None
    place = _place(warehouse, task)
    if not again and is_stored(warehouse, task):
        progress.stored(task.unit)
        return None
    check_settings(warehouse.storage, place, task.settings)
    part = part_of(task.settings, shard.i, shard.n)
    with warehouse.share(task.job, task.unit, task.settings, part, locks=task.locks, progress=progress) as run:
        if found_shard(run):
            progress.note(f"shard {shard} of {place} is staged already")
        else:
            task.shares.work(run, shard)
    warehouse.refresh()
    if not again and is_stored(warehouse, task):  # another had done the same
        warehouse.storage.discard_staged(run.place)
        return None
    whole = whole_set([each for each in staged_shards(warehouse.storage, place) if each.n == shard.n])
    if not whole:
        return None
    try:
        return merge(warehouse, task, whole, again=again, progress=progress)
    except BusyError as error:  # the last two have ended at once
        progress.note(f"all shards of {place} are staged, and another process merges them: {error}")
        return None


def merge(
    warehouse: Warehouse, task: Task, shards: Sequence[StagedShard], *, again: bool = False, progress: Progress = SILENT
) -> Run | None:
    """Store what shards that are all of a task's work have staged; return the run, null where it is stored already."""
    assert task.shares is not None
    shares = task.shares

    def work(run: Run) -> None:
        run.seconds_before = sum(shard.about["seconds"] for shard in shards)
        run.model_seconds = sum(shard.about["model_seconds"] or 0.0 for shard in shards)
        run.note(f"merged from {len(shards)} shards, whose seconds are summed")
        shares.merge(run, shards)

    return run_once(warehouse, replace(task, work=work), again=again, progress=progress)


def shards_to_merge(warehouse: Warehouse, task: Task, aside: Collection[str] = ()) -> list[StagedShard]:
    """Return the shards that are all of a task's work; UsageError where some are missing, or have other settings.

    aside: settings that need not be those of the task.
    """
    place = _place(warehouse, task)
    check_settings(warehouse.storage, place, task.settings, aside)
    found = staged_shards(warehouse.storage, place)
    if not (whole := whole_set(found)):
        raise UsageError(missing(found, place))
    return whole


def _place(warehouse: Warehouse, task: Task) -> str:
    """Return where the task's run would stage what it has."""
    return Run(warehouse.storage, task.job, task.unit, task.settings, task.locks).place
