"""Job `faithfulness`: how much of an answer sets of neurons of growing size carry, by each stored rule.

Reads prompts and attributions; writes checkpoints, faithfulness. The unit is (model, checkpoint, data set). Of each
prompt the best neurons by each rule are kept alone, or removed alone, and beside them as many random ones of the same
layers; then its concept's contributing neurons in the same two ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from nwh.ingest.checkpoints import check_checkpoint
from nwh.ingest.job import Task, rows_in_blocks, run_once
from nwh.ingest.knowledge.ablation import Asked, Neurons, answers_of_sets
from nwh.ingest.knowledge.attributed_prompts import seeded
from nwh.ingest.knowledge.attribution import attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention_inputs import STUDY_P, STUDY_T, InterventionInputs, Selection
from nwh.ingest.models import LoadedModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import check_least
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

SMALLEST = 1e-4  # share of all neurons that the smallest set has
PER_TENFOLD = 2  # sizes to each factor of ten
BLOCK = 8  # prompts between two points where a run can be resumed


@dataclass(frozen=True)
class FaithfulnessSettings:
    """What a user can choose: prompts, as many of the attributed ones, drawn with `seed` (0: all)."""

    prompts: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        check_least(self, prompts=0)


def ingest_faithfulness(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: FaithfulnessSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run | None:
    """Keep and remove sets of neurons; return the run, null where it is stored already.

    The rules are taken anew, since of low attributions none is stored. An interrupted run goes on from its last block
    of prompts. UsageError, before any work: no attributions of the data set at this checkpoint.
    """
    check_checkpoint(warehouse, model)
    (task,) = faithfulness_tasks(warehouse, model, dataset, settings or FaithfulnessSettings(), progress)
    return run_once(warehouse, task, again=again, progress=progress)


def faithfulness_tasks(
    warehouse: Warehouse, model: LoadedModel, dataset: str, settings: FaithfulnessSettings, progress: Progress = SILENT
) -> list[Task]:
    """Return what `ingest_faithfulness` has to do. Raises UsageError as it does."""
    choice = Selection(STUDY_T, STUDY_P, 0, settings.seed)
    first = InterventionInputs(warehouse, model, dataset, choice, None)
    constants = {"smallest": SMALLEST, "per_tenfold": PER_TENFOLD, "t": STUDY_T, "p": STUDY_P}

    def work(run: Run) -> None:
        of_rules = [InterventionInputs(warehouse, model, dataset, choice, rule.name) for rule in first.rules]
        prompts = first.drawn(settings.prompts, settings.seed)
        tables = rows_in_blocks(run, prompts, BLOCK, lambda block: _rows(of_rules, block, settings.seed), progress)
        with run.writer("faithfulness", run.unit) as writer:
            for table in tables:
                writer.write(table)

    return [Task("faithfulness", first.unit, first.described(settings, BLOCK, **constants), work, [model])]


def sizes_of(n_neurons: int) -> list[int]:
    """Return the sizes of sets of a model's neurons: 0, then 0.01 % to 100 % in steps of the square root of 10."""
    n_steps = round(-np.log10(SMALLEST) * PER_TENFOLD)
    shares = SMALLEST * 10 ** (np.arange(n_steps + 1) / PER_TENFOLD)
    return sorted({0, *(max(1, round(share * n_neurons)) for share in shares)})


def _rows(of_rules: Sequence[InterventionInputs], prompts: Sequence[PromptInput], seed: int) -> pa.Table:
    """Return the rows of some prompts, sorted as the relation is."""
    first = of_rules[0]
    found = dict(attribute(first.model, prompts, first.rules, first.baseline))
    ranks, asked, rows = [], [], []
    for i, prompt in enumerate(prompts):
        orders: list[Tensor] = []
        sets: list[Asked] = []
        for rule, inputs, attributed in zip(first.rules, of_rules, found[i], strict=True):
            chance = np.random.default_rng(int(seeded(f"{seed}:sets:{rule.name}:{prompt.prompt_id}")))
            for selection, places, sizes in _orders(attributed.scores, inputs.sets.get(prompt.concept)):
                for arm, order in (("contributing", places), ("random", _shuffled(places, chance))):
                    about = {"prompt_id": prompt.prompt_id, "concept": prompt.concept}
                    about |= {"rule": rule.name, "selection": selection, "arm": arm}
                    for keep, size in product((False, True), sizes):
                        sets.append(Asked(len(orders), size, keep))
                        rows.append({**about, "kept": keep, "n_neurons": int((order < size).sum())})
                    orders.append(order)
        ranks.append(torch.stack(orders))
        asked.append(sets)
    probabilities = np.concatenate(answers_of_sets(first.model, prompts, ranks, asked, first.baseline))
    table = pa.Table.from_pylist(rows).append_column("probability", pa.array(probabilities))
    keys = ("prompt_id", "rule", "selection", "arm", "kept", "n_neurons")
    return table.sort_by([(name, "ascending") for name in keys])


def _orders(scores: Tensor, concept: Neurons | None) -> Iterator[tuple[str, Tensor, list[int]]]:
    """Yield (selection, each neuron's place [n_layers, d_ffn], sizes) of a prompt's best and of its concept's set."""
    best = torch.empty(scores.numel(), dtype=torch.int32)
    best[scores.flatten().argsort(descending=True, stable=True)] = torch.arange(scores.numel(), dtype=torch.int32)
    yield "prompt", best.view(scores.shape), sizes_of(scores.numel())
    if concept is not None:
        places = torch.ones(scores.shape, dtype=torch.int32)
        places[torch.from_numpy(concept[0]), torch.from_numpy(concept[1])] = 0
        yield "concept", places, [1]


def _shuffled(places: Tensor, chance: np.random.Generator) -> Tensor:
    """Return places that have changed hands within each layer: sets of any size have as many neurons in each."""
    return torch.from_numpy(chance.permuted(places.numpy(), axis=1))
