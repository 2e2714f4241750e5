"""Job `side-effects`: what suppressing a concept's neurons does to text that has nothing to do with it.

Reads prompts, attributions and sentences; writes checkpoints, side_effects. The unit is (model, checkpoint, data set,
corpus). In each sentence one token is asked for; the contributing neurons of every concept, and as many random ones of
the same layers, are set to zero at the position that predicts it, as interventions do at the answer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

BLOCK = 16  # sentences between two points where a run can be resumed
ARMS = ("contributing", "random")
_MEASURED = ("kl", "loss_before", "loss_after")


@dataclass(frozen=True)
class SideEffectSettings:
    """What a user can choose: sentences of the corpus, drawn with `seed`; the rule that selects, null for the first."""

    sentences: int = 200
    seed: int = 0
    rule: str | None = None

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise UsageError(f"--sentences must be at least 1, not {self.sentences}")


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
        _measure(run, inputs, corpus, settings, progress)

    return [Task("side-effects", unit, described, work, [model])]


def _measure(
    run: Run, inputs: InterventionInputs, corpus: str, settings: SideEffectSettings, progress: Progress
) -> None:
    drawn = drawn_sentences(inputs.warehouse, corpus, settings.sentences, settings.seed)
    sentences = texts_of(inputs.warehouse, [corpus], drawn)
    prompts = neutral_inputs(inputs.model, list(sentences.items()), settings.seed)
    if not prompts:
        raise UsageError(f"corpus {corpus} has no sentence of 3 tokens or more: name another with --neutral")
    for note in inputs.notes():
        run.note(note)
    named = [(concept, arm) for concept in inputs.sets for arm in ARMS]
    sets = {"contributing": inputs.sets, "random": inputs.random}
    edits = [Edit(0, *sets[arm][concept], factor=0.0) for concept, arm in named]
    named = [name for name, edit in zip(named, edits, strict=True) if len(edit.layers)]
    edits = [edit for edit in edits if len(edit.layers)]

    def sums_of(block: Sequence[PromptInput]) -> pa.Table:
        columns = zip(_MEASURED, divergences(inputs.model, block, edits), strict=True)
        return pa.table({name: pa.array(values.sum(1)) for name, values in columns})

    sums = list(rows_in_blocks(run, prompts if edits else [], BLOCK, sums_of, progress, "sentences"))
    n = len(edits)
    means = {name: sum((table[name].to_numpy() for table in sums), np.zeros(n)) / len(prompts) for name in _MEASURED}
    rows = {
        "rule": [inputs.rule] * n,
        "concept": [concept for concept, _ in named],
        "arm": [arm for _, arm in named],
        "n_neurons": np.array([len(edit.layers) for edit in edits], np.int32),
        "n_sentences": np.full(n, len(prompts), np.int32),
        **means,
    }
    run.write("side_effects", run.unit, rows)
