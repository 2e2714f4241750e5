"""A task's work shared by several processes or machines: each stages a shard, a run merges all of them and stores it.

What a job calls `shard` is the share that is run and staged, whoever completes the last one storing all; `MERGE` stores
what all have staged; null is the whole work, in one run. The rows are the same. There is nothing between the processes
but files: shards run in any order, anywhere, again after a death, twice by mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from nwh.ingest.job import Shares, Task, is_stored, run_once
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import MERGE, Shard
from nwh.warehouse.storage.resume_state import describe
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import (
    StagedShard,
    check_settings,
    complete,
    found_shard,
    missing,
    staged_shards,
    whole_set,
)


def run_shared(
    warehouse: Warehouse, task: Task, shard: Shard | None, *, again: bool = False, progress: Progress = SILENT
) -> Run | None:
    """Do a task, a share of it, or merge all shares; return the run that stored it, null where there was none.

    Raises as `run_once` and `run_shard` do; UsageError for a merge where shards are missing or have other settings.
    """
    if shard is None or (shard == MERGE and not again and is_stored(warehouse, task)):
        return run_once(warehouse, task, again=again, progress=progress)
    if shard == MERGE:
        return merge(warehouse, task, shards_to_merge(warehouse, task), again=again, progress=progress)
    return run_shard(warehouse, task, shard, again=again, progress=progress)


def in_blocks(task: Task) -> Task:
    """Return a task whose work is in `StagedBlocks`, and writes nothing in a run of a shard, with shares of blocks."""

    def work(run: Run, shard: Shard) -> None:
        task.work(run)
        about = describe(run.storage, run.place)
        complete(run, about["done"] if about else 0)

    def merge(run: Run, shards: Sequence[StagedShard]) -> None:
        run.merged = [shard.place for shard in shards]
        task.work(run)

    return replace(task, shares=Shares(work, merge))


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
    with warehouse.share(task.job, task.unit, task.settings, shard, locks=task.locks, progress=progress) as run:
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
        in_model = [shard.about["model_seconds"] for shard in shards if shard.about["model_seconds"] is not None]
        run.model_seconds = sum(in_model) if in_model else None
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
