"""Job `ablations`: what setting single neurons to their baseline does to answers, beside what each rule says of them.

Reads prompts and attributions; writes checkpoints, ablations. The unit is (model, checkpoint, data set). Of each prompt
the neurons that any stored rule has among its best are ablated one at a time: the effects are what rules estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nwh.ingest.checkpoints import check_checkpoint
from nwh.ingest.job import Task, rows_in_blocks, run_once
from nwh.ingest.knowledge.ablation import Neurons, ablate
from nwh.ingest.knowledge.attributed_prompts import AttributedPrompts
from nwh.ingest.knowledge.attribution import attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.models import LoadedModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError, check_least
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

BLOCK = 16  # prompts between two points where a run can be resumed; see `room.of_block`


@dataclass(frozen=True)
class AblationSettings:
    """What a user can choose; see `nwh ingest ablations --help`.

    best: neurons of each rule and prompt. prompts: as many of the attributed prompts, drawn with `seed`; 0: all.
    """

    best: int = 100
    prompts: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check_least(self, best=1, prompts=0)


def ingest_ablations(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: AblationSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run | None:
    """Ablate the best neurons of each stored rule; return the run, null where it is stored already.

    The rules are taken anew, since of low attributions none is stored. An interrupted run goes on from its last block
    of prompts. UsageError, before any work: no attributions of the data set at this checkpoint, or fewer neurons than
    asked for.
    """
    check_checkpoint(warehouse, model)
    (task,) = ablation_tasks(warehouse, model, dataset, settings or AblationSettings(), progress)
    return run_once(warehouse, task, again=again, progress=progress)


def ablation_tasks(
    warehouse: Warehouse, model: LoadedModel, dataset: str, settings: AblationSettings, progress: Progress = SILENT
) -> list[Task]:
    """Return what `ingest_ablations` has to do. Raises UsageError as it does."""
    asked, row, size = AttributedPrompts(warehouse, model, dataset), model.checkpoint, of_block(BLOCK, model.device)

    def work(run: Run) -> None:
        if settings.best > (n := row.n_layers * row.d_ffn):
            raise UsageError(
                f"--best {settings.best:,}, and the {row.n_layers} layers of {row.model} have {n:,} neurons in all: "
                "use fewer"
            )
        prompts = asked.drawn(settings.prompts, settings.seed)
        tables = rows_in_blocks(run, prompts, size, lambda block: _rows(asked, block, settings.best), progress)
        with run.writer("ablations", run.unit) as writer:
            for table in tables:
                writer.write(table)

    return [Task("ablations", asked.unit, asked.described(settings, size), work, [model])]


def _rows(asked: AttributedPrompts, prompts: Sequence[PromptInput], best: int) -> pa.Table:
    """Return the rows of some prompts, sorted as the relation is."""
    rules = sorted(asked.rules, key=lambda rule: rule.name)
    found = dict(attribute(asked.model, prompts, rules, asked.baseline))
    scores = [np.stack([each.scores.numpy().ravel() for each in found[i]]) for i in range(len(prompts))]
    # of each prompt, the neurons that are among the best of any rule, ascending
    unions = [np.unique(np.argpartition(-each, best - 1, axis=1)[:, :best]) for each in scores]
    chosen: list[Neurons] = [np.divmod(union, asked.model.checkpoint.d_ffn) for union in unions]
    effects = ablate(asked.model, prompts, chosen, asked.baseline)
    tables = []
    for prompt, union, of_rules, (layers, neurons), effect in zip(
        prompts, unions, scores, chosen, effects, strict=True
    ):
        columns = {
            "prompt_id": np.full(len(rules) * len(union), prompt.prompt_id, np.int64),
            "concept": [prompt.concept] * (len(rules) * len(union)),
            "rule": np.repeat([rule.name for rule in rules], len(union)),
            "layer": np.tile(layers, len(rules)),
            "neuron": np.tile(neurons, len(rules)),
            "attribution": of_rules[:, union].ravel(),
            "effect": np.tile(effect, len(rules)),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)
