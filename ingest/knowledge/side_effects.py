"""Job `side-effects`: what suppressing a concept's neurons does to text that has nothing to do with it.

Reads prompts, attributions and sentences; writes checkpoints, side_effects. The unit is (model, checkpoint, data set,
corpus). In each sentence one token is asked for; the contributing neurons of every concept, and as many random ones of
the same layers, are set to zero at the position that predicts it, as interventions do at the answer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.checkpoints import check_checkpoint
from nwh.ingest.job import Task, rows_in_blocks, run_once
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit
from nwh.ingest.knowledge.intervention_inputs import STUDY_P, STUDY_T, InterventionInputs, Selection
from nwh.ingest.knowledge.neutral_text import divergences, neutral_inputs
from nwh.ingest.models import LoadedModel
from nwh.ingest.text.corpus import corpus_text, drawn_sentences, texts_of
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError, check_least
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

BLOCK = 16  # sentences between two points where a run can be resumed
_MEASURED = ["kl", "loss_before", "loss_after"]


@dataclass(frozen=True)
class SideEffectSettings:
    """What a user can choose: sentences of the corpus, drawn with `seed`; the rule that selects, null for the first."""

    sentences: int = 200
    seed: int = 0
    rule: str | None = None

    def __post_init__(self) -> None:
        check_least(self, sentences=1)


def ingest_side_effects(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    corpus: str,
    settings: SideEffectSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run | None:
    """Suppress each concept's neurons on a corpus's sentences; return the run, null where it is stored already.

    An interrupted run goes on from its last block of sentences. UsageError, before any work: no such corpus or data
    set, no attributions of it at this checkpoint, a model that predicts neither a masked nor the next token.
    """
    check_checkpoint(warehouse, model)
    (task,) = side_effect_tasks(warehouse, model, dataset, corpus, settings or SideEffectSettings(), progress)
    return run_once(warehouse, task, again=again, progress=progress)


def side_effect_tasks(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    corpus: str,
    settings: SideEffectSettings,
    progress: Progress = SILENT,
) -> list[Task]:
    """Return what `ingest_side_effects` has to do. Raises UsageError as it does."""
    inputs = InterventionInputs(warehouse, model, dataset, Selection(STUDY_T, STUDY_P, 0, settings.seed), settings.rule)
    unit = {**inputs.unit, "corpus": corpus}
    text = {"corpus": corpus, "text_sha256": corpus_text(warehouse, corpus)[1]}
    described = inputs.described(settings, BLOCK, **text, rule=inputs.rule, t=STUDY_T, p=STUDY_P)

    def work(run: Run) -> None:
        drawn = drawn_sentences(warehouse, corpus, settings.sentences, settings.seed)
        prompts = neutral_inputs(model, list(texts_of(warehouse, [corpus], drawn).items()), settings.seed)
        if not prompts:
            raise UsageError(f"corpus {corpus} has no sentence of 3 tokens or more: name another with --neutral")
        for note in inputs.notes():
            run.note(note)
        sets = {"contributing": inputs.sets, "random": inputs.random}
        named = [(concept, arm) for concept in inputs.sets for arm in sets if len(sets[arm][concept][0])]
        edits = [Edit(0, *sets[arm][concept], factor=0.0) for concept, arm in named]

        def sums_of(block: Sequence[PromptInput]) -> pa.Table:
            return pa.table([found.sum(1) for found in divergences(model, block, edits)], _MEASURED)

        sums = list(rows_in_blocks(run, prompts if edits else [], BLOCK, sums_of, progress, "sentences"))
        rows: dict[str, Any] = {
            "rule": [inputs.rule] * len(edits),
            "concept": [concept for concept, _ in named],
            "arm": [arm for _, arm in named],
            "n_neurons": [len(edit.layers) for edit in edits],
            "n_sentences": [len(prompts)] * len(edits),
        }
        for name in _MEASURED:
            rows[name] = sum((table[name].to_numpy() for table in sums), np.zeros(len(edits))) / len(prompts)
        run.write("side_effects", run.unit, rows)

    return [Task("side-effects", unit, described, work, [model])]
