"""What rules of attribution estimate: the answer's probability less what it is with one neuron at its baseline."""

from __future__ import annotations

from collections.abc import Sequence

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

Neurons = tuple[NDArray[np.integer], NDArray[np.integer]]
"""Layers and neurons, 0-based."""


def ablate(
    model: LoadedModel, prompts: Sequence[PromptInput], chosen: Sequence[Neurons], baseline: Tensor | None = None
) -> list[NDArray[np.float32]]:
    """Return m(w) - m(w with neuron i at b_i) of each prompt's neurons, one neuron at a time.

    m: the answer's probability. chosen: of each prompt, the neurons of site `ffn` to ablate at its answer position.
    baseline: b, [n_layers, d_ffn]; null: 0. Result: of each prompt, [neurons], in the order given.
    UsageError: a bidirectional model and an answer of several tokens. ModelError: probabilities that are not numbers.
    """
    results = [np.zeros(len(layers), np.float32) for layers, _ in chosen]
    shape = len(passes.family_of_answers(model).blocks_of(model.base)), model.checkpoint.d_ffn
    start = (torch.zeros(shape) if baseline is None else baseline).to(model.device)
    with torch.inference_mode():
        for group in passes.groups(model, prompts):
            recording = record(model, group)
            effects = _effects(recording, [chosen[i] for i in group.indices], start)
            for index, effect in zip(group.indices, effects, strict=True):
                results[index] = effect
    return results


def _effects(recording: Recording, chosen: Sequence[Neurons], baseline: Tensor) -> list[NDArray[np.float32]]:
    """Return the effects of a group's prompts."""
    sizes = [len(layers) for layers, _ in chosen]
    prompt = np.repeat(np.arange(len(chosen)), sizes)
    layer, neuron = (np.concatenate([each[i] for each in chosen]).astype(np.int64) for i in (0, 1))
    effect = torch.empty(len(prompt), device=baseline.device)
    for rows in batches(recording, prompt, layer, gradients=False):
        joins, columns = layer[rows], sent(neuron[rows], baseline.device)

        def change(
            here: int, rows: slice, current: Tensor, joins: NDArray[np.int64] = joins, columns: Tensor = columns
        ) -> Tensor | None:
            if joins[rows.start] < here:  # the neurons of these were changed where they joined
                return None
            changed = current.clone()
            place = torch.arange(len(current), device=current.device), columns[rows]
            changed[place] = baseline[here, columns[rows]].to(current.dtype)
            return changed

        logits = run_rows(recording, prompt[rows], joins, change)
        at, of = sent(rows, baseline.device), sent(prompt[rows], baseline.device)
        after = passes.answer_probability(recording.model, logits, recording.group.answers[of])
        effect[at] = recording.probability[of] - after
    return np.split(effect.cpu().numpy(), np.cumsum(sizes)[:-1])
