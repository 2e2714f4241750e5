"""The answer's probability with neurons at their baseline: one at a time, or sets, or all but a set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.recording import record
from nwh.ingest.knowledge.rows import Change
from nwh.ingest.knowledge.staircase import batches, run_rows
from nwh.ingest.models.devices import sent
from nwh.ingest.models.loading import LoadedModel

Neurons = tuple[NDArray[np.integer], NDArray[np.integer]]
"""Layers and neurons, 0-based."""
_Joining = tuple[NDArray[np.int64], Callable[[NDArray[np.int64]], Change]]
"""The layer at which each row of a group joins, and what makes the change of some of them."""


def ablate(
    model: LoadedModel, prompts: Sequence[PromptInput], chosen: Sequence[Neurons], baseline: Tensor | None = None
) -> list[NDArray[np.float32]]:
    """Return m(w) - m(w with neuron i at b_i) of each prompt's neurons, one neuron at a time: what rules estimate.

    m: the answer's probability. chosen: of each prompt, the neurons of site `ffn` to ablate at its answer position.
    baseline: b, [n_layers, d_ffn]; null: 0. Result: of each prompt, [neurons], in the order given.
    Raises as `passes.answer_probability` and `passes.alike`.
    """
    start = passes.baseline_of(model, baseline)

    def rows_of(group: Sequence[int], _: NDArray[np.int64]) -> _Joining:
        layer, neuron = (np.concatenate([chosen[i][part] for i in group]).astype(np.int64) for part in (0, 1))

        def change_of(rows: NDArray[np.int64]) -> Change:
            joins, columns = layer[rows], sent(neuron[rows], model.device)

            def change(here: int, some: slice, current: Tensor) -> Tensor | None:
                if joins[some.start] < here:  # the neurons of these were changed where they joined
                    return None
                changed = current.clone()
                place = torch.arange(len(current), device=current.device), columns[some]
                changed[place] = start[here, columns[some]].to(current.dtype)
                return changed

            return change

        return layer, change_of

    sizes = [len(layers) for layers, _ in chosen]
    effects = {i: before - after for i, before, after in _answers(model, prompts, sizes, rows_of)}
    return [effects[i] for i in range(len(prompts))]


@dataclass(frozen=True)
class Asked:
    """The first `size` neurons of an order, which are kept (the others at the baseline) or removed (they are there)."""

    order: int
    size: int
    keep: bool


def answers_of_sets(
    model: LoadedModel,
    prompts: Sequence[PromptInput],
    ranks: Sequence[Tensor],
    asked: Sequence[Sequence[Asked]],
    baseline: Tensor | None = None,
) -> list[NDArray[np.float32]]:
    """Return the answer's probability of each prompt under each of its sets, [sets].

    ranks: of each prompt, [orders, n_layers, d_ffn] int32: a neuron's place in each order, from 0; equal places are in
    or out together. Values are changed at the answer position, each layer's after the lower ones took effect.
    baseline: as for `ablate`, and so are errors.
    """
    start = passes.baseline_of(model, baseline)

    def rows_of(group: Sequence[int], prompt: NDArray[np.int64]) -> _Joining:
        flat, of = [each for i in group for each in asked[i]], sent(prompt, model.device)
        order, size = (sent(np.array([getattr(e, name) for e in flat]), model.device) for name in ("order", "size"))
        keep = sent(np.array([each.keep for each in flat]), model.device)
        stacked = torch.stack([ranks[i].to(model.device) for i in group])  # [prompts, orders, n_layers, d_ffn]

        def change_of(rows: NDArray[np.int64]) -> Change:
            sets = sent(rows, model.device)

            def change(here: int, some: slice, current: Tensor) -> Tensor:
                which = sets[some]
                inside = stacked[of[which], order[which], here] < size[which, None]
                return torch.where(inside == keep[which, None], current, start[here].to(current.dtype))

            return change

        return np.zeros(len(flat), np.int64), change_of  # rows join at the first layer, where sets begin

    found = {i: after for i, _, after in _answers(model, prompts, list(map(len, asked)), rows_of)}
    return [found[i] for i in range(len(prompts))]


def _answers(
    model: LoadedModel,
    prompts: Sequence[PromptInput],
    sizes: Sequence[int],
    rows_of: Callable[[Sequence[int], NDArray[np.int64]], _Joining],
) -> Iterator[tuple[int, np.float32, NDArray[np.float32]]]:
    """Yield each prompt's place and its answer's probability, untouched and by row.

    sizes: rows of each prompt. rows_of: makes the rows of some prompts, of which it is given the places, and for each
    row the place of its prompt among them.
    """
    with torch.inference_mode():
        for group in passes.groups(model, prompts):
            recording, own = record(model, group), [sizes[i] for i in group.indices]
            prompt = np.repeat(np.arange(len(own)), own)
            layer, change_of = rows_of(group.indices, prompt)
            after = torch.empty(len(prompt), device=model.device)
            for rows in batches(recording, prompt, layer, gradients=False):
                logits = run_rows(recording, prompt[rows], layer[rows], change_of(rows))
                answers = group.answers[sent(prompt[rows], model.device)]
                after[sent(rows, model.device)] = passes.answer_probability(model, logits, answers)
            before, of_prompts = recording.probability.cpu().numpy(), np.split(after.cpu().numpy(), np.cumsum(own)[:-1])
            yield from zip(group.indices, before, of_prompts, strict=True)
