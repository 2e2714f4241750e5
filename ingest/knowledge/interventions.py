"""Job `interventions`: what happens to answers when a concept's contributing neurons are changed.

Reads prompts and the selection `knowledge_neurons_at(t, p)`; writes checkpoints, interventions. The unit is (model,
checkpoint, data set, operation); rules stand side by side in it, and one that comes later leaves others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Task
from nwh.ingest.knowledge.attribution_rows import FLOOR, carried_over
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.intervention_inputs import STUDY_P, STUDY_T, InterventionInputs, Selection
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.models import LoadedModel
from nwh.ingest.shards import in_blocks as by_blocks
from nwh.ingest.shards import run_shared
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError, check_least
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.attribution_settings import of_rules, plan
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

FACTOR = {"zero": 0.0, "replace": 0.0, "double": 2.0}
OPERATIONS = tuple(FACTOR)
BLOCK = 1024  # edits, about: concepts run together until they make as many, and are staged; see `room.of_block`


@dataclass(frozen=True)
class InterventionSettings:
    """What a user can choose; see `nwh ingest interventions --help`.

    t, p: the selection's thresholds. negatives: prompts of other concepts for each concept.
    rules: whose attributions select; where empty, the integrated gradients that are stored.
    """

    operations: tuple[str, ...] = OPERATIONS
    t: float = STUDY_T
    p: float = STUDY_P
    negatives: int = 10
    seed: int = 0
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := [operation for operation in self.operations if operation not in OPERATIONS]:
            raise UsageError(f"operation {unknown[0]!r} is not known: use {', '.join(OPERATIONS)}")
        if not FLOOR <= self.t <= 1:
            raise UsageError(f"--t must be from {FLOOR} (attributions below are not stored) to 1, not {self.t}")
        if not 0 < self.p <= 1:
            raise UsageError(f"--p must be above 0 and at most 1, not {self.p}")
        check_least(self, negatives=0)


def ingest_interventions(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: InterventionSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
    shard: Shard | None = None,
) -> list[Run]:
    """Change each concept's contributing neurons, and as many random ones; return the runs, one per operation.

    What is stored with the same settings, of the same attributions, is left alone unless `again`. An interrupted
    run goes on from its last block of concepts.
    shard: see `ingest.shards`. Prompts are read as for the attributions. Raises UsageError,
    before any work, where this checkpoint has no attributions of the data set.
    """
    check_checkpoint(warehouse, model)
    tasks = intervention_tasks(warehouse, model, dataset, settings or InterventionSettings(), progress, again=again)
    runs = [run_shared(warehouse, by_blocks(task), shard, again=again, progress=progress) for task in tasks]
    return [run for run in runs if run is not None]


def intervention_tasks(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: InterventionSettings,
    progress: Progress = SILENT,
    *,
    again: bool = False,
) -> list[Task]:
    """Return what `ingest_interventions` has to do, a task for each operation. Raises UsageError as it does."""
    choice = Selection(settings.t, settings.p, settings.negatives, settings.seed)
    scenes = [InterventionInputs(warehouse, model, dataset, choice, rule) for rule in settings.rules or (None,)]
    by_rule = {scene.rule: scene for scene in scenes}
    return [_task(by_rule, operation, again, progress) for operation in dict.fromkeys(settings.operations)]


def _task(scenes: dict[str, InterventionInputs], operation: str, again: bool, progress: Progress) -> Task:
    """Return what is to be done for an operation: the rules that are not stored, beside those that are."""
    scene = next(iter(scenes.values()))
    unit = {**scene.unit, "operation": operation}
    wanted = {
        **unit,
        "rules": {rule: asdict(scene.choice) for rule in scenes},
        "block": of_block(BLOCK, scene.model.device),
        "device": str(scene.model.device),
        "dtype": dtype_name(scene.model),
        "attributions": of_rules(scene.settings, scenes),
    }
    stored = None if again else scene.warehouse.units.stored("interventions", unit)
    chosen = plan(None if stored is None else stored.settings, wanted)

    def work(run: Run) -> None:
        _intervene(run, {rule: scenes[rule] for rule in chosen.new}, operation, progress)

    def is_stored() -> bool:
        if chosen.lost:
            raise UsageError(
                f"{'/'.join(unit.values())} is stored for other settings and rule {', '.join(chosen.lost)}, which this "
                "run would remove: name these in --rule too, or replace them with --again"
            )
        return not chosen.new

    return Task("interventions", unit, chosen.settings, work, [scene.model], is_stored=is_stored)


def _intervene(run: Run, scenes: Mapping[str, InterventionInputs], operation: str, progress: Progress) -> None:
    """Make and write the rows of one operation by the rules that are not stored, between those that are."""
    in_blocks: dict[str, list[list[str]]] = {}
    for rule, scene in scenes.items():
        concepts = list(scene.sets)
        edits = [2 * (len(scene.positive[concept]) + len(scene.negative[concept])) for concept in concepts]
        in_blocks[rule] = [[concepts[i] for i in block] for block in blocks_of(edits, scene.model.device)]
    n_concepts = sum(len(scene.sets) for scene in scenes.values())
    blocks = StagedBlocks(run, n_concepts)
    name = "{model}@{checkpoint} {dataset} {operation}".format(**run.unit)
    left = blocks.left([f"{rule}-{i}" for rule in scenes for i in range(len(in_blocks[rule]))])
    with progress.bar(name, n_concepts, "concepts", blocks.done) as bar:
        for rule, scene in scenes.items():
            for note in scene.notes():
                run.note(note)
            values = scene.unrelated if operation == "replace" else None
            for i, concepts in enumerate(in_blocks[rule]):
                if f"{rule}-{i}" in left:
                    with run.in_model():
                        rows = _rows(scene, concepts, FACTOR[operation], values)
                    blocks.save(f"{rule}-{i}", rows, len(concepts))
                    bar.advance(len(concepts))
    if run.shard is not None:
        return
    impossible = 0
    with run.writer("interventions", run.unit) as writer:
        for rule in run.settings["rules"]:
            if rule not in scenes:
                for rows in carried_over(next(iter(scenes.values())).warehouse, "interventions", run.unit, rule):
                    writer.write(rows)
                continue
            for i in range(len(in_blocks[rule])):
                rows = blocks.load(f"{rule}-{i}")
                impossible += int((rows["p_before"].to_numpy() == 0).sum())
                choice = scenes[rule].choice
                for column, value in (("rule", rule), ("t", choice.t), ("p", choice.p)):
                    rows = rows.append_column(column, pa.repeat(pa.scalar(value), rows.num_rows))
                writer.write(rows)
    if impossible:
        run.note(f"{impossible:,} rows have probability 0 before: they have no relative change")


def blocks_of(edits: Sequence[int], device: torch.device) -> list[list[int]]:
    """Return which concepts run together, by their places, of as many edits each: those of a block, about."""
    blocks: list[list[int]] = []
    room = 0
    for i, n in enumerate(edits):
        if room < n:
            blocks.append([])
            room = of_block(BLOCK, device)
        blocks[-1].append(i)
        room -= n
    return blocks


def _rows(
    scene: InterventionInputs, concepts: Sequence[str], factor: float, values: NDArray[np.float32] | None
) -> pa.Table:
    """Return the rows of some concepts, sorted as the relation is."""
    numbers: dict[int, int] = {}  # of a prompt in this block
    edits: list[Edit] = []
    rows: list[dict[str, Any]] = []
    for concept in concepts:
        for arm, (layers, neurons) in (("contributing", scene.sets[concept]), ("random", scene.random[concept])):
            put = None if values is None else values[layers, neurons]
            for polarity, members in (("negative", scene.negative[concept]), ("positive", scene.positive[concept])):
                for i in members:
                    edits.append(Edit(numbers.setdefault(i, len(numbers)), layers, neurons, factor, put))
                    rows.append(
                        {"concept": concept, "prompt_id": scene.prompts[i].prompt_id, "polarity": polarity, "arm": arm}
                        | {"n_neurons": len(layers), "p_before": scene.before[i][0], "rank_before": scene.before[i][1]}
                    )
    after = intervene(scene.model, [scene.prompts[i] for i in numbers], edits)
    return pa.Table.from_pylist(
        [{**row, "p_after": p, "rank_after": rank} for row, (p, rank) in zip(rows, after, strict=True)]
    )
