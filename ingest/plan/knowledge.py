"""What `nwh ingest attributions` and `interventions` will cost, from some of their prompts and edits."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.ablation import Neurons
from nwh.ingest.knowledge.attribution import answer_scores, of_group
from nwh.ingest.knowledge.attribution_rows import STAGED, attributions, staged
from nwh.ingest.knowledge.attributions import BLOCK, AttributionSettings
from nwh.ingest.knowledge.completeness import baseline_probabilities, checked_prompts
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.intervention_inputs import InterventionInputs, Selection
from nwh.ingest.knowledge.interventions import InterventionSettings, blocks_of
from nwh.ingest.knowledge.passes import alike, is_bidirectional
from nwh.ingest.knowledge.reading import Readable, known_prompts, read_prompts
from nwh.ingest.knowledge.room import of_block, room_of
from nwh.ingest.knowledge.rules.rule import PATH_RULES, Rule, rules_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.calibration import calibrated
from nwh.ingest.plan.estimate import Estimate, Timing, enough, timed, weights_bytes
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.storage.runs import Run

_EDIT_ROW = 12  # bytes of a row of interventions on disk
_ATTRIBUTION_ROW = 5  # of a row of attributions, and how many a prompt has, where no run says it
_ROWS = 200
_FEW = 4  # prompts that say how many more there is time for
_Edited = tuple[PromptInput, list[Neurons]]
"""A prompt and what is edited in turn."""


def plan_attributions(
    warehouse: Warehouse, model: LoadedModel, dataset: str, settings: AttributionSettings, timing: Timing
) -> Estimate:
    """Return what `ingest_attributions` would cost; nothing in the warehouse changes.

    timing: its rate is prompts per second.
    Raises UsageError for an unknown data set, and where the model can read nothing of it.
    """
    began = time.monotonic()
    rows, _ = stored_prompts(warehouse, dataset)
    wanted = [row for row in rows if not settings.concepts or row.concept in settings.concepts]
    prompts = read_prompts(model, wanted, answer=settings.answer, min_prompts=settings.min_prompts).inputs
    if not prompts:
        raise UsageError(f"{model.checkpoint.model} finds nothing to attribute in {dataset}")
    rules, reading = rules_named(settings.rules, settings.steps), time.monotonic() - began
    known = _known_part(model, prompts, settings.min_probability, settings.min_prompts, timing)
    if not known.inputs:
        raise UsageError(f"the model knows no answer that {dataset} asks for, as it seems{known.note}")
    cost = attributions_cost(model, dataset, known.inputs, round(known.share * len(prompts)), rules, timing)
    alone = 0.0 if timing.rate else cost.alone + reading + known.asking
    return replace(cost, alone=alone, note=cost.note + known.note)


def attributions_cost(
    model: LoadedModel, dataset: str, prompts: Sequence[PromptInput], n: int, rules: Sequence[Rule], timing: Timing
) -> Estimate:
    """Return what n prompts like these cost; others as for `plan_attributions`."""
    described, memory = f"{model.checkpoint} {dataset}", _memory(model)
    if (rate := timing.rate) is not None:
        disk, note = n * _ROWS * _ATTRIBUTION_ROW * len(rules), f"given: {rate:g} prompts/s"
        return Estimate("attributions", described, n, "prompts", rate, 0.0, memory, disk, note)
    block = of_block(BLOCK, model.device)
    rows: list[dict[str, Any]] = []

    def run(part: Sequence[PromptInput]) -> None:
        (group,) = passes.groups(model, part)
        for prompt, found in zip(part, of_group(model, group, rules), strict=True):
            rows.extend(staged(prompt, rule.name, each) for rule, each in zip(rules, found, strict=True))

    def work(part: Sequence[PromptInput]) -> int:
        return sum(_carried(model, prompt) for prompt in part)

    calibration = calibrated(model, _groups(model, prompts, block), work, run, timing.seconds)
    like = _drawn(prompts, n)  # as many as are attributed, or all of those that these are like
    taken = calibration.seconds(map(work, _groups(model, like, block)))
    confirmed = checked_prompts(prompts[:block])
    checking = timed(model, lambda: [baseline_probabilities(model, prompts[i]) for i in confirmed])
    blocks = math.ceil(len(like) / block) * sum(rule.name in PATH_RULES for rule in rules)
    table = attributions(pa.Table.from_pylist(rows, STAGED)).sort_by([("prompt_id", "ascending")])
    storing, stored = _stored(lambda run: run.write("attributions", run.unit, table))
    disk, note = int(n * len(rules) * stored / len(rows)), f"calibrated on {calibration.n:,} prompts"
    rate, alone = len(like) / (taken + blocks * checking), calibration.once + storing
    return Estimate("attributions", described, n, "prompts", rate, alone, memory, disk, note)


def plan_interventions(
    warehouse: Warehouse, model: LoadedModel, dataset: str, settings: InterventionSettings, timing: Timing
) -> list[Estimate]:
    """Return what `ingest_interventions` would cost, for each rule whose attributions select.

    timing: its rate is edits per second. UsageError where this checkpoint has no attributions of the data set: they say
    how many concepts have neurons, and which.
    """
    choice = Selection(settings.t, settings.p, settings.negatives, settings.seed)
    estimates = []
    for rule in settings.rules or (None,):
        began = time.monotonic()
        scene = InterventionInputs(warehouse, model, dataset, choice, rule)
        others, least, min_prompts = scene.others, scene.settings["min_probability"], scene.settings["min_prompts"]
        reading = time.monotonic() - began
        known = _known_part(model, others, least, min_prompts, timing)
        began = time.monotonic()
        # as many as the job will find that the model knows, without asking about all
        scene.prompts = [*scene.attributed, *_drawn(others, round(known.share * len(others)))]
        concepts = list(scene.sets)
        asked = [(*scene.negative[concept], *scene.positive[concept]) for concept in concepts]
        if not (n := 2 * len(settings.operations) * sum(map(len, asked))):
            raise UsageError(
                f"no concept of {dataset} has contributing neurons by {scene.rule}: there is nothing to do"
            )
        sets = [(scene.sets[concept], scene.random[concept]) for concept in concepts]
        of, reading = f"{dataset} by {scene.rule}", reading + time.monotonic() - began
        cost = interventions_cost(model, of, scene.prompts, asked, sets, n, timing)
        alone = 0.0 if timing.rate else cost.alone + reading + known.asking
        estimates.append(replace(cost, alone=alone, note=cost.note + known.note))
    return estimates


def interventions_cost(
    model: LoadedModel,
    dataset: str,
    prompts: Sequence[PromptInput],
    asked: Sequence[Sequence[int]],
    sets: Sequence[Sequence[Neurons]],
    n: int,
    timing: Timing,
) -> Estimate:
    """Return what n edits like these cost.

    asked: of each concept, places of the prompts that it is tried on. sets: of each concept, what is edited in turn.
    Others as for `plan_interventions`.
    """
    described, memory = f"{model.checkpoint} {dataset}", _memory(model)
    disk = n * _EDIT_ROW
    if (rate := timing.rate) is not None:
        return Estimate("interventions", described, n, "edits", rate, 0.0, memory, disk, f"given: {rate:g} edits/s")

    def run(part: Sequence[_Edited]) -> None:
        edits = [Edit(i, *neurons, 0.0) for i, (_, changed) in enumerate(part) for neurons in changed]
        intervene(model, [prompt for prompt, _ in part], edits)

    def work(part: Sequence[_Edited]) -> int:
        return sum(len(prompt.input_ids) + _carried(model, prompt) * len(changed) for prompt, changed in part)

    sizes = [len(sets[i]) * len(of_concept) for i, of_concept in enumerate(asked)]
    groups: list[list[_Edited]] = []
    for block in blocks_of(sizes, model.device):
        changed: dict[int, list[Neurons]] = {}
        for concept in block:
            for i in asked[concept]:
                changed.setdefault(i, []).extend(sets[concept])
        edited = [(prompts[i], of_prompt) for i, of_prompt in changed.items()]
        groups += [[edited[i] for i in group] for group in alike(model, [prompt for prompt, _ in edited])]
    calibration = calibrated(model, groups, work, run, timing.seconds)
    rate = sum(sizes) / calibration.seconds(map(work, groups))
    scores = {"prompt_id": [0], "probability": [1.0], "rank": [1]}
    storing, _ = _stored(lambda run: run.write("prompt_scores", run.unit, scores))
    of_all = [prompts[i] for i in sorted({i for of_concept in asked for i in of_concept})]
    once = calibration.once + storing + _asking(model, of_all, timing.seconds / 10)
    note = f"calibrated on {calibration.n:,} prompts with their edits"
    return Estimate("interventions", described, n, "edits", rate, once, memory, disk, note)


@dataclass(frozen=True)
class _Known:
    """Prompts that a model knows, of some that were drawn, and their share; seconds of asking about all; a note."""

    inputs: Sequence[PromptInput]
    share: float = 1.0
    asking: float = 0.0
    note: str = ""


def _known_part(
    model: LoadedModel, prompts: Sequence[PromptInput], least: float, min_prompts: int, timing: Timing
) -> _Known:
    """Return which prompts of some concepts, drawn, the job will find that a model knows; all where it asks about none.

    least, min_prompts: as of `known_prompts`; a concept's prompts are kept together or not at all, so concepts are
    drawn. timing: with a rate nothing is asked, and all count as known.
    """
    if least <= 0 or timing.rate is not None or not prompts:
        return _Known(prompts)
    answer_scores(model, prompts[:_FEW])  # what is loaded once
    few = timed(model, lambda: answer_scores(model, prompts[:_FEW]))
    size = enough(_FEW, few, timing.seconds / 4, 2 * of_block(BLOCK, model.device))
    of_concept: dict[str, list[PromptInput]] = {}
    for prompt in prompts:
        of_concept.setdefault(prompt.concept, []).append(prompt)
    drawn: list[PromptInput] = []
    for concept in np.random.default_rng(0).permutation(list(of_concept)):
        if len(drawn) >= size:
            break
        drawn += of_concept[concept]
    began = time.monotonic()
    known = known_prompts(model, (), Readable(drawn, {}), least, min_prompts).inputs
    asking = (time.monotonic() - began) * len(prompts) / len(drawn)
    note = f"; {len(known) / len(drawn):.0%} of {len(drawn):,} prompts drawn are known at --min-probability {least:g}"
    return _Known(known, len(known) / len(drawn), asking, note)


def _asking(model: LoadedModel, prompts: Sequence[PromptInput], seconds: float) -> float:
    """Return about how long a model takes to answer prompts, timed for so many seconds."""

    def work(part: Sequence[PromptInput]) -> int:
        return sum(len(prompt.input_ids) for prompt in part)

    groups = _groups(model, prompts, len(prompts))
    return calibrated(model, groups, work, lambda part: answer_scores(model, part), seconds).seconds(map(work, groups))


def _groups(model: LoadedModel, prompts: Sequence[PromptInput], block: int) -> list[list[PromptInput]]:
    """Return what runs together where prompts are run in blocks."""
    blocks = [prompts[start : start + block] for start in range(0, len(prompts), block)]
    return [[of_block[i] for i in group] for of_block in blocks for group in alike(model, of_block)]


def _carried(model: LoadedModel, prompt: PromptInput) -> int:
    """Return how many tokens a row of a prompt carries."""
    if model.family.whole_rows or is_bidirectional(model):
        return len(prompt.decoder_ids or prompt.input_ids)
    return len(prompt.answer_ids)


def _memory(model: LoadedModel) -> int:
    """Return the bytes that a model, what a group records and the rows of a batch may take together."""
    room = room_of(model)
    return weights_bytes(model) + room.rows + room.gradients + room.rows // 4


def _drawn(prompts: Sequence[PromptInput], most: int) -> list[PromptInput]:
    """Return some prompts, in order."""
    return [prompts[i] for i in np.sort(np.random.default_rng(0).permutation(len(prompts))[:most])]


def _stored(write: Callable[[Run], object]) -> tuple[float, int]:
    """Return the seconds of a run that stores something in a new warehouse, loads included, and the bytes stored."""
    unit = {"model": "sample", "checkpoint": "sample", "dataset": "sample"}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with Warehouse.create(folder).run("plan", unit, {}) as run:
            write(run)
        taken = time.monotonic() - began
        files = [path for path in Path(folder).rglob("*.parquet") if "runs" not in path.parts]
        return taken, sum(path.stat().st_size for path in files)
