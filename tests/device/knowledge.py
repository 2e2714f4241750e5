"""Attributions and interventions on the device: what must hold, and prompts and edits per second.

The public way is one full forward and backward pass per layer of each prompt, 20 rows at once, on the same device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from nwh.ingest.knowledge.attribution import Attributed, attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.room import room_of
from nwh.ingest.knowledge.rows import Rows
from nwh.ingest.knowledge.rules.rule import rule_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.shapes import Shape, model_of
from tests.benchmarks.bench_attribution import plain
from tests.device.correctness import Check
from tests.device.passes import wait
from tests.device.shapes import prompts

RULES = (rule_named("riemann", 20), rule_named("adaptive"), rule_named("gradient"))
STUDY_PROMPTS, STUDY_EDITS = 4207 * 4, 4207 * (4 + 10) * 2 * 3  # masked: both arms of three operations
NEURONS = 12


def checks(device: str, shape: Shape, n: int) -> Iterator[Check]:
    """Yield what was checked, one by one, over n prompts."""
    on_cpu, model = (model_of(shape, where, head=True) for where in ("cpu", device))
    asked = prompts(model, n)
    expected, found, again = (_attributed(each, asked) for each in (on_cpu, model, model))
    for rule in RULES:
        apart = max(_off(found[i][rule.name], expected[i][rule.name]) for i in range(n))
        yield f"{shape.name}: attributions by {rule.name} are the CPU's within 1e-3", apart < 1e-3, f"{apart:.0e}"
    same = all(torch.equal(found[i][rule.name].scores, again[i][rule.name].scores) for i in found for rule in RULES)
    yield f"{shape.name}: attributed twice, the same bits", same, f"{n} prompts"
    changes = edits(on_cpu, asked)
    one, two, three = (intervene(each, asked, changes) for each in (on_cpu, model, model))
    apart = max(abs(a - b) / a for (a, _), (b, _) in zip(one, two, strict=True))
    yield f"{shape.name}: interventions are those of the CPU within 1e-3", apart < 1e-3, f"{apart:.0e}"
    yield f"{shape.name}: intervened twice, the same", two == three, f"{len(changes)} edits"
    if device.startswith("cuda"):
        yield f"{shape.name}: no layer or prompt of a batch waits for the device", *_waits(model, asked, changes)


def figures(device: str, shape: Shape, n: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield a line of the table for each rule and for interventions, over as many of n prompts as take some seconds."""
    model = model_of(shape, device, head=True)
    asked = prompts(model, n)
    plain(model, asked[:1])
    few = asked[:4]
    public = len(few) / _timed(model, lambda: plain(model, few))
    yield _line(shape, "the public way, 20 rows", len(few), len(few) / public, 1.0, None)
    for rule in RULES:
        some = _as_many(model, asked, seconds, lambda some, rule=rule: list(attribute(model, some, [rule])))
        taken = _timed(model, lambda some=some, rule=rule: list(attribute(model, some, [rule])))
        yield _line(shape, rule.name, len(some), taken, len(some) / taken / public, STUDY_PROMPTS)
    some = _as_many(model, asked, seconds, lambda some: intervene(model, some, edits(model, some)))
    changes = edits(model, some)
    taken = _timed(model, lambda: intervene(model, some, changes))
    yield _line(shape, "interventions", len(changes), taken, None, STUDY_EDITS)


def edits(model: LoadedModel, asked: list[PromptInput]) -> list[Edit]:
    """Return six edits of each prompt: zero, double and replace neurons of the upper half, and as many others there."""
    draw, row = np.random.default_rng(0), model.checkpoint
    made = []
    for prompt in range(len(asked)):
        layers = np.sort(draw.integers(row.n_layers // 2, row.n_layers, NEURONS))
        for _ in ("contributing", "random"):
            neurons = draw.choice(row.d_ffn, NEURONS, replace=False)
            made += [Edit(prompt, layers, neurons, factor) for factor in (0.0, 2.0)]
            made.append(Edit(prompt, layers, neurons, 0.0, draw.standard_normal(NEURONS)))
    return made


def _line(
    shape: Shape, what: str, units: int, seconds: float, ratio: float | None, of_study: int | None
) -> dict[str, Any]:
    minutes = None if of_study is None else of_study * seconds / units / 60
    return {
        "model": shape.name,
        "what": what,
        "units": units,
        "seconds": seconds,
        "per_second": units / seconds,
        "over_public_way": ratio,
        "minutes_of_study_b": minutes,
    }


def _as_many(
    model: LoadedModel, asked: list[PromptInput], seconds: float, work: Callable[[list[PromptInput]], object]
) -> list[PromptInput]:
    """Return as many prompts as take about so many seconds, whole groups at best; all are loaded and warm after it."""
    few = asked[: min(len(asked), max(8, room_of(model).prompts // 64))]
    work(few)
    taken = _timed(model, lambda: work(few))
    return asked[: max(len(few), min(len(asked), int(len(few) * seconds / taken)))]


def _timed(model: LoadedModel, work: Callable[[], object]) -> float:
    wait(model.device)
    began = time.monotonic()
    work()
    wait(model.device)
    return time.monotonic() - began


def _attributed(model: LoadedModel, asked: list[PromptInput]) -> dict[int, dict[str, Attributed]]:
    names = [rule.name for rule in RULES]
    return {i: dict(zip(names, found, strict=True)) for i, found in attribute(model, asked, RULES)}


def _off(one: Attributed, other: Attributed) -> float:
    """Return how far scores are apart, over their size; adaptive ones only where both took as many points."""
    same = torch.tensor([a == b for a, b in zip(one.evaluations, other.evaluations, strict=True)])
    a, b = one.scores[same], other.scores[same]
    return float((a - b).norm() / b.norm()) if same.any() else 0.0


def _waits(model: LoadedModel, asked: list[PromptInput], changes: list[Edit]) -> tuple[bool, str]:
    """Return whether the blocks of batches run with waiting made an error, and what it said."""
    real = Rows._block

    def block(*arguments: Any) -> Any:
        torch.cuda.set_sync_debug_mode("error")
        try:
            return real(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with patch.object(Rows, "_block", block):
        try:
            list(attribute(model, asked, RULES))
            intervene(model, asked, changes)
        except RuntimeError as error:
            return False, str(error).splitlines()[0]
    return True, "checked by torch"
