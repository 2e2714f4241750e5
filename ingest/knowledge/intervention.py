"""Change chosen `ffn` values at the answer position and see what becomes of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from nwh.warehouse.errors import UsageError


@dataclass(frozen=True)
class Edit:
    """One set of neurons of one prompt: new value = factor x the value in that very pass + values.

    prompt: index into the prompts. layers, neurons: 0-based, one entry per neuron, each neuron once.
    values: one entry per neuron; null for none (`zero` is factor 0, `double` factor 2, `replace` factor 0 and values).
    """

    prompt: int
    layers: NDArray[np.integer]
    neurons: NDArray[np.integer]
    factor: float
    values: NDArray[np.floating] | None = None


def intervene(model: LoadedModel, prompts: Sequence[PromptInput], edits: Sequence[Edit]) -> list[tuple[float, int]]:
    """Return (probability of the answer, rank of its first token) under each edit.

    A neuron above another edited one is edited after the lower edit took effect; everything at other positions is
    computed anew where it sees the answer position.
    UsageError: a neuron that the model does not have; a bidirectional model and an answer of several tokens.
    ModelError: probabilities that are not numbers.
    """
    _check(model, edits)
    results: list[tuple[float, int]] = [(0.0, 0)] * len(edits)
    edits_of: dict[int, list[int]] = {}
    for index, edit in enumerate(edits):
        edits_of.setdefault(edit.prompt, []).append(index)
    asked = sorted(edits_of)
    with torch.inference_mode():
        for group in passes.groups(model, [prompts[prompt] for prompt in asked]):
            recording = record(model, group)
            untouched = list(zip(recording.probability.tolist(), recording.rank.tolist(), strict=True))
            rows = []
            for prompt, of_group in enumerate(group.indices):
                for index in edits_of[asked[of_group]]:
                    results[index] = untouched[prompt]
                    if len(edits[index].layers):
                        rows.append((prompt, int(edits[index].layers.min()), index))
            for index, answer in _answers(recording, sorted(rows), edits):
                results[index] = answer
    return results


def _check(model: LoadedModel, edits: Sequence[Edit]) -> None:
    n_layers, d_ffn = len(model.family.of_answers().blocks_of(model.base)), model.checkpoint.d_ffn
    for edit in edits:
        for kind, end, chosen in (("layer", n_layers, edit.layers), ("neuron", d_ffn, edit.neurons)):
            if wrong := np.flatnonzero((chosen < 0) | (chosen >= end)).tolist():
                layer, neuron = edit.layers[wrong[0]], edit.neurons[wrong[0]]
                raise UsageError(
                    f"neuron {neuron} of layer {layer} is to be edited and {model.checkpoint.model} has {kind}s 0 to "
                    f"{end - 1}: use neurons that were found on this model"
                )


def _answers(
    recording: Recording, rows: list[tuple[int, int, int]], edits: Sequence[Edit]
) -> Iterator[tuple[int, tuple[float, int]]]:
    """Yield (edit, (probability, rank)) of rows: prompt in the group, lowest edited layer, edit; sorted."""
    device = recording.model.device
    prompt, layer, index = np.array(rows, np.int64).reshape(-1, 3).T
    for batch in batches(recording, prompt, layer, gradients=False):
        changes = Changes([edits[i] for i in index[batch]], device)
        logits = run_rows(recording, prompt[batch], layer[batch], changes)
        answers = recording.group.answers[sent(prompt[batch], device)]
        probability = passes.answer_probability(recording.model, logits, answers)
        found = zip(probability.tolist(), passes.rank(logits, answers).tolist(), strict=True)
        yield from zip(index[batch].tolist(), found, strict=True)


class Changes:
    """The edits of a batch's rows, by layer, then row: rows, neurons, factors and values, each [neurons]."""

    def __init__(self, edits: Sequence[Edit], device: torch.device) -> None:
        sizes = [len(edit.layers) for edit in edits]
        row = np.repeat(np.arange(len(edits)), sizes)
        layer = np.concatenate([edit.layers for edit in edits]).astype(np.int64)
        order = np.lexsort((row, layer))
        self.n_rows = len(edits)
        self.places = layer[order] * self.n_rows + row[order]
        columns = (
            row,
            np.concatenate([edit.neurons for edit in edits]).astype(np.int64),
            np.repeat([edit.factor for edit in edits], sizes).astype(np.float32),
            np.concatenate(
                [np.zeros(len(e.layers)) if e.values is None else e.values for e in edits], dtype=np.float32
            ),
        )
        self.columns = [sent(column[order], device) for column in columns]

    def __call__(self, layer: int, rows: slice, current: Tensor) -> Tensor | None:
        """Return the new values of rows at a layer, null where none of its neurons is edited."""
        ends = [layer * self.n_rows + row for row in (rows.start, rows.stop)]
        first, last = np.searchsorted(self.places, ends).tolist()
        if first == last:
            return None
        row, neuron, factor, values = (column[first:last] for column in self.columns)
        at = row - rows.start, neuron
        changed = current.clone()
        changed[at] = (factor * current[at] + values).to(current.dtype)
        return changed
