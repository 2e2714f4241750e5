"""How a job does its work, unit by unit: what is stored and current is left alone, the rest is locked, run, stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.runs import Run, Unit
from nwh.warehouse.storage.staged_blocks import StagedBlocks
from nwh.warehouse.storage.staged_shards import StagedShard

if TYPE_CHECKING:
    import pyarrow as pa

    from nwh.ingest.models import LoadedModel
    from nwh.ingest.models.series import KnownModel

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """What a job has to do for one unit: `work` computes its rows and writes them in a run with these settings.

    settings: all that decides the rows, hashes or runs of what they are made of included. models: those that are run;
    their rows of `checkpoints` are written too. locks: as in `Warehouse.run`. is_stored: says whether what is wanted is
    stored, where that is more than whether the last run had these settings. shares: how several machines do the work.
    """

    job: str
    unit: Unit
    settings: dict[str, Any]
    work: Callable[[Run], object]
    models: Sequence[LoadedModel] = ()
    locks: Sequence[Unit] = ()
    is_stored: Callable[[], bool] | None = None
    shares: Shares | None = None


@dataclass(frozen=True)
class Shares:
    """How several machines do a task's work.

    work: does a share, which may be empty, in a run that stores nothing, and stages it with `staged_shards.complete`.
    merge: writes a run's rows from the shards that are all of it.
    """

    work: Callable[[Run, Shard], object]
    merge: Callable[[Run, Sequence[StagedShard]], object]


def run_once(warehouse: Warehouse, task: Task, *, again: bool = False, progress: Progress = SILENT) -> Run | None:
    """Do a task and return the run; null, with a note, where that is stored already, unless `again`.

    Stored already: with the same settings, of the same sources. A run that was interrupted is gone on from after its
    last block, where `work` asks for its partial result: see `warehouse.storage.resume_state`. Raises as
    `Warehouse.run` does.
    """
    if not again and is_stored(warehouse, task):
        progress.stored(task.unit)
        return None
    with warehouse.run(task.job, task.unit, task.settings, again=again, locks=task.locks, progress=progress) as run:
        task.work(run)
        if task.models:
            from nwh.ingest.checkpoints import model_versions, write_checkpoint

            run.versions |= model_versions(task.models[0])
            for model in task.models:
                write_checkpoint(run, model)
    return run


def run_each(
    warehouse: Warehouse, tasks: Iterable[Task], *, again: bool = False, progress: Progress = SILENT
) -> list[Run]:
    """Do tasks one after the other; return the runs of those that were not stored already."""
    runs = [run_once(warehouse, task, again=again, progress=progress) for task in tasks]
    return [run for run in runs if run is not None]


def are_stored(warehouse: Warehouse, tasks: Sequence[Task], progress: Progress = SILENT) -> bool:
    """Return whether `run_each` would leave all tasks alone, and say so as it does."""
    if not all(is_stored(warehouse, task) for task in tasks):
        return False
    for task in tasks:
        progress.stored(task.unit)
    return True


def is_stored(warehouse: Warehouse, task: Task) -> bool:
    """Return whether what a task would store is stored."""
    if task.is_stored is not None:
        return task.is_stored()
    return warehouse.units.is_current(task.job, task.unit, task.settings)


def are_stored_at(
    warehouse: Warehouse,
    model: LoadedModel | KnownModel,
    tasks: Callable[[LoadedModel], Sequence[Task]],
    progress: Progress = SILENT,
) -> bool:
    """Return whether a job would leave alone all that it does at a checkpoint, and say so, without loading it.

    tasks: makes what the job has to do; of a model that is not loaded it may ask nothing but what it is. UsageError for
    a model name already taken by other weights.
    """
    from nwh.ingest.checkpoints import check_checkpoint

    return check_checkpoint(warehouse, model) and are_stored(warehouse, tasks(cast("LoadedModel", model)), progress)


def rows_in_blocks(
    run: Run,
    items: Sequence[T],
    size: int,
    rows: Callable[[Sequence[T]], pa.Table],
    progress: Progress,
    what: str = "prompts",
) -> Iterator[pa.Table]:
    """Run a model over items, `size` at a time, and return an iterator over the blocks' rows, in the order of items.

    rows, what: as in `made_in_blocks`.
    """
    model, checkpoint, *others = run.unit.values()

    def in_model(block: Sequence[T]) -> pa.Table:
        with run.in_model():
            return rows(block)

    return made_in_blocks(run, items, size, in_model, progress, " ".join([f"{model}@{checkpoint}", *others]), what)


def made_in_blocks(
    run: Run,
    items: Sequence[T],
    size: int,
    rows: Callable[[Sequence[T]], pa.Table],
    progress: Progress,
    name: str,
    what: str,
) -> Iterator[pa.Table]:
    """Work on items, `size` at a time, and return an iterator over the blocks' rows, in the order of items.

    rows: makes those of one block. Blocks that an interrupted run has staged are not made again. name: of the work, on
    the progress bar. what: items are.
    """
    blocks = StagedBlocks(run, len(items))
    starts = [str(start) for start in range(0, len(items), size)]
    with progress.bar(name, len(items), what, blocks.done) as bar:
        for start in blocks.left(starts):
            block = items[int(start) : int(start) + size]
            blocks.save(start, rows(block), len(block))
            bar.advance(len(block))
    return map(blocks.load, starts)
