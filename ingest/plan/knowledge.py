"""What `nwh ingest attributions` and `interventions` will cost, from some of their prompts and edits."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nwh.ingest.knowledge.attribution import answer_scores, attribute
from nwh.ingest.knowledge.attribution_rows import STAGED, attributions, staged
from nwh.ingest.knowledge.attributions import BLOCK, AttributionSettings
from nwh.ingest.knowledge.completeness import baseline_probabilities, checked_prompts
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.intervention_inputs import InterventionInputs, Neurons, Selection
from nwh.ingest.knowledge.interventions import FACTOR, InterventionSettings
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.knowledge.room import of_block, room_of
from nwh.ingest.knowledge.rules.rule import Rule, rules_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.estimate import Estimate, enough, timed, weights_bytes
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

_FEW = 4  # prompts that say how many more there is time for
_EDIT_ROW = 12  # bytes of a row of interventions on disk
_ATTRIBUTION_ROW = 5  # of a row of attributions, and how many a prompt has, where no run says it
_ROWS = 200


def plan_attributions(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: AttributionSettings,
    *,
    seconds: float = 20.0,
    rate: float | None = None,
) -> Estimate:
    """Return what `ingest_attributions` would cost; nothing in the warehouse changes.

    seconds: about how long the calibration takes. rate: prompts per second; nothing is run then.
    Raises UsageError for an unknown data set, and where the model can read nothing of it.
    """
    began = time.monotonic()
    rows, _ = stored_prompts(warehouse, dataset)
    wanted = [row for row in rows if not settings.concepts or row.concept in settings.concepts]
    prompts = read_prompts(model, wanted, answer=settings.answer, min_prompts=settings.min_prompts).inputs
    if not prompts:
        raise UsageError(f"{model.checkpoint.model} finds nothing to attribute in {dataset}")
    rules = rules_named(settings.rules, settings.steps)
    least, reading = settings.min_probability, time.monotonic() - began
    cost = attributions_cost(model, dataset, prompts, len(prompts), rules, least, seconds=seconds, rate=rate)
    return cost if rate else replace(cost, alone=cost.alone + reading)


def attributions_cost(
    model: LoadedModel,
    dataset: str,
    prompts: Sequence[PromptInput],
    n: int,
    rules: Sequence[Rule],
    least: float = 0.0,
    *,
    seconds: float = 20.0,
    rate: float | None = None,
) -> Estimate:
    """Return what n prompts like these cost.

    least: of prompts whose answer the model gives less, none is attributed. Others as for `plan_attributions`.
    """
    described, memory = _described(model, dataset), _memory(model)
    if rate is not None:
        disk, note = n * _ROWS * _ATTRIBUTION_ROW * len(rules), f"given: {rate:g} prompts/s"
        return Estimate("attributions", described, n, "prompts", rate, 0.0, memory, disk, note)
    block = of_block(BLOCK, model.device)
    drawn = _drawn(prompts, 2 * block)
    asking, note = 0.0, ""
    if least > 0:
        answer_scores(model, drawn[:_FEW])
        began = time.monotonic()
        scores = answer_scores(model, drawn)
        asking = n * (time.monotonic() - began) / len(drawn)
        drawn = [prompt for prompt, (p, _) in zip(drawn, scores, strict=True) if p >= least]
        note = f"; {len(drawn) / len(scores):.0%} of {len(scores):,} drawn are known"
        if not drawn:
            raise UsageError(f"of {len(scores):,} prompts drawn the model knows none at --min-probability {least:g}")
        n = round(n * len(drawn) / len(scores))
    few = drawn[:_FEW]
    list(attribute(model, few, rules))  # what is loaded once
    taken = timed(model, lambda: list(attribute(model, few, rules)))
    some = drawn[: enough(len(few), taken, seconds, min(block, len(drawn)))]
    began = time.monotonic()
    found = dict(attribute(model, some, rules))
    rows = [staged(some[i], rules[0].name, found[i][0]) for i in found]
    taken = time.monotonic() - began
    checking = timed(model, lambda: [baseline_probabilities(model, some[i]) for i in checked_prompts(some)])
    checking *= any(each.completeness_error is not None for each in found[0])
    per_prompt = max(taken - checking, 0.1 * taken) / len(some) + checking / block
    of_prompt = _stored_bytes(rows) * len(rules) / len(some)
    return Estimate(
        "attributions",
        described,
        n,
        "prompts",
        1 / per_prompt,
        asking,
        memory,
        int(n * of_prompt),
        f"calibrated on {len(some):,} prompts{note}",
    )


def plan_interventions(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: InterventionSettings,
    *,
    seconds: float = 20.0,
    rate: float | None = None,
) -> list[Estimate]:
    """Return what `ingest_interventions` would cost, for each rule whose attributions select.

    seconds: about how long the calibration takes. rate: edits per second; no edit is run then. UsageError where this
    checkpoint has no attributions of the data set: they say how many concepts have neurons, and which.
    """
    choice = Selection(settings.t, settings.p, settings.negatives, settings.seed)
    estimates = []
    for rule in settings.rules or (None,):
        began = time.monotonic()
        scene = InterventionInputs(warehouse, model, dataset, choice, rule)
        concepts = list(scene.sets)
        asked = [(*scene.negative[concept], *scene.positive[concept]) for concept in concepts]
        n = 2 * len(settings.operations) * sum(map(len, asked))
        if not n:
            raise UsageError(
                f"no concept of {dataset} has contributing neurons by {scene.rule}: there is nothing to do"
            )
        sets = [(scene.sets[concept], scene.random[concept]) for concept in concepts]
        factors = [FACTOR[operation] for operation in settings.operations]
        of, reading = f"{dataset} by {scene.rule}", time.monotonic() - began
        cost = interventions_cost(model, of, scene.prompts, asked, sets, factors, n, seconds=seconds, rate=rate)
        estimates.append(cost if rate else replace(cost, alone=cost.alone + reading))
    return estimates


def interventions_cost(
    model: LoadedModel,
    dataset: str,
    prompts: Sequence[PromptInput],
    asked: Sequence[Sequence[int]],
    sets: Sequence[Sequence[Neurons]],
    factors: Sequence[float],
    n: int,
    *,
    seconds: float = 20.0,
    rate: float | None = None,
) -> Estimate:
    """Return what n edits like these cost.

    asked: of each concept, places of the prompts that it is tried on. sets: of each concept, what is edited in turn.
    factors: of the operations. Others as for `plan_interventions`.
    """
    described, memory = _described(model, dataset), _memory(model)
    if rate is not None:
        return Estimate(
            "interventions", described, n, "edits", rate, 0.0, memory, n * _EDIT_ROW, f"given: {rate:g} edits/s"
        )

    def run(concepts: Sequence[int]) -> int:
        numbers: dict[int, int] = {}
        edits = [
            Edit(numbers.setdefault(i, len(numbers)), *neurons, factors[0])
            for concept in concepts
            for neurons in sets[concept]
            for i in asked[concept]
        ]
        intervene(model, [prompts[i] for i in numbers], edits)
        return len(edits)

    order = np.random.default_rng(0).permutation(len(asked)).tolist()
    run(order[:1])  # what is loaded once
    taken = timed(model, lambda: run(order[:1]))
    some = order[: enough(1, taken, seconds, len(order))]
    began = time.monotonic()
    done = run(some)
    rate = done / (time.monotonic() - began)
    asking = timed(model, lambda: answer_scores(model, [prompts[i] for i in asked[some[0]]])) / len(asked[some[0]])
    before = asking * len({i for of_concept in asked for i in of_concept})
    note = f"calibrated on {done:,} edits"
    return Estimate("interventions", described, n, "edits", rate, before, memory, n * _EDIT_ROW, note)


def _described(model: LoadedModel, of: str) -> str:
    return f"{model.checkpoint.model}@{model.checkpoint.checkpoint} {of}"


def _memory(model: LoadedModel) -> int:
    """Return the bytes that a model, what a group records and the rows of a batch may take together."""
    room = room_of(model)
    return weights_bytes(model) + room.rows + room.gradients + room.rows // 4


def _drawn(prompts: Sequence[PromptInput], most: int) -> list[PromptInput]:
    order = np.random.default_rng(0).permutation(len(prompts))[:most]
    return [prompts[i] for i in order]


def _stored_bytes(rows: Sequence[dict[str, object]]) -> int:
    """Return the bytes of what is stored of some prompts."""
    stream = io.BytesIO()
    table = attributions(pa.Table.from_pylist(list(rows), STAGED))
    pq.write_table(table.sort_by([("prompt_id", "ascending")]), stream, compression="zstd")
    return stream.tell()
