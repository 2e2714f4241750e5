"""What answers are with a set of neurons alone at their own values, or with it alone at the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.recording import Recording, record
from nwh.ingest.knowledge.staircase import batches, run_rows
from nwh.ingest.models.devices import sent
from nwh.ingest.models.loading import LoadedModel


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
    baseline: [n_layers, d_ffn]; null: 0. UsageError: a bidirectional model and an answer of several tokens.
    """
    results = [np.zeros(len(sets), np.float32) for sets in asked]
    shape = len(passes.family_of_answers(model).blocks_of(model.base)), model.checkpoint.d_ffn
    start = (torch.zeros(shape) if baseline is None else baseline).to(model.device)
    with torch.inference_mode():
        for group in passes.groups(model, prompts):
            recording = record(model, group)
            places = [ranks[i].to(model.device) for i in group.indices]
            found = _answers(recording, places, [asked[i] for i in group.indices], start)
            for index, probabilities in zip(group.indices, found, strict=True):
                results[index] = probabilities
    return results


def _answers(
    recording: Recording, ranks: Sequence[Tensor], asked: Sequence[Sequence[Asked]], baseline: Tensor
) -> list[NDArray[np.float32]]:
    """Return the probabilities of a group's prompts: rows join at the first layer, where sets begin."""
    sizes = [len(sets) for sets in asked]
    flat = [each for sets in asked for each in sets]
    device = baseline.device
    of = np.repeat(np.arange(len(asked)), sizes)
    at, prompt = np.zeros_like(of), sent(of, device)
    order, size = (torch.tensor([getattr(each, name) for each in flat], device=device) for name in ("order", "size"))
    keep = torch.tensor([each.keep for each in flat], device=device)
    stacked = torch.stack(list(ranks))  # [prompts, orders, n_layers, d_ffn]
    probabilities = torch.empty(len(flat), device=device)
    for rows in batches(recording, of, at, gradients=False):
        sets = sent(rows, device)

        def change(here: int, some: slice, current: Tensor, sets: Tensor = sets) -> Tensor:
            which = sets[some]
            inside = stacked[prompt[which], order[which], here] < size[which, None]
            return torch.where(inside == keep[which, None], current, baseline[here].to(current.dtype))

        logits = run_rows(recording, of[rows], at[rows], change)
        answers = recording.group.answers[prompt[sets]]
        probabilities[sets] = passes.answer_probability(recording.model, logits, answers)
    return np.split(probabilities.cpu().numpy(), np.cumsum(sizes)[:-1])
