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
from nwh.warehouse.errors import UsageError
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
        if self.best < 1:
            raise UsageError(f"--best must be at least 1, not {self.best}")
        if self.prompts < 0:
            raise UsageError(f"--prompts must be at least 0, not {self.prompts}")


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
    asked = AttributedPrompts(warehouse, model, dataset)
    described = asked.described(settings, of_block(BLOCK, model.device))

    def work(run: Run) -> None:
        _ablate(run, asked, settings, progress)

    return [Task("ablations", asked.unit, described, work, [model])]


def _ablate(run: Run, asked: AttributedPrompts, settings: AblationSettings, progress: Progress) -> None:
    row = asked.model.checkpoint
    if settings.best > row.n_layers * row.d_ffn:
        raise UsageError(
            f"--best {settings.best:,}, and the {row.n_layers} layers of {row.model} have "
            f"{row.n_layers * row.d_ffn:,} neurons in all: use fewer"
        )
    prompts = asked.drawn(settings.prompts, settings.seed)
    size = of_block(BLOCK, asked.model.device)
    tables = rows_in_blocks(run, prompts, size, lambda block: _rows(asked, block, settings.best), progress)
    with run.writer("ablations", run.unit) as writer:
        for table in tables:
            writer.write(table)


def _rows(asked: AttributedPrompts, prompts: Sequence[PromptInput], best: int) -> pa.Table:
    """Return the rows of some prompts, sorted as the relation is."""
    model, rules = asked.model, asked.rules
    found = dict(attribute(model, prompts, rules, asked.baseline))
    scores = [np.stack([each.scores.numpy() for each in found[i]]) for i in range(len(prompts))]
    unions = [_best(each.reshape(len(rules), -1), best) for each in scores]
    chosen: list[Neurons] = [np.divmod(union, model.checkpoint.d_ffn) for union in unions]
    tables = []
    for prompt, union, each, (layers, neurons), effect in zip(
        prompts, unions, scores, chosen, ablate(model, prompts, chosen, asked.baseline), strict=True
    ):
        own = each.reshape(len(rules), -1)[:, union]
        order = sorted(range(len(rules)), key=lambda at: rules[at].name)
        n = len(rules) * len(union)
        tables.append(
            pa.table(
                {
                    "prompt_id": np.full(n, prompt.prompt_id, np.int64),
                    "concept": pa.repeat(pa.scalar(prompt.concept), n),
                    "rule": np.repeat([rules[at].name for at in order], len(union)),
                    "layer": np.tile(layers, len(rules)).astype(np.int16),
                    "neuron": np.tile(neurons, len(rules)).astype(np.int32),
                    "attribution": own[order].ravel(),
                    "effect": np.tile(effect, len(rules)),
                }
            )
        )
    return pa.concat_tables(tables)


def _best(scores: np.ndarray, best: int) -> np.ndarray:
    """Return the neurons that are among the best of any rule, ascending; scores: [rules, neurons]."""
    return np.unique(np.argpartition(-scores, best - 1, axis=1)[:, :best])
