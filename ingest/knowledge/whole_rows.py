"""Rows of models that nwh does not follow block by block: they run through the whole model with all their tokens.

Slower than the rows of `staircase` by the number of tokens, and true of any model: nothing but the values of the
feed-forward layers goes through our hands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rows import Change, joined_below, put, taken
from nwh.ingest.models.devices import sent


def run_whole_rows(recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], change: Change) -> Tensor:
    """Return the answer logits of rows, [rows, answer tokens, vocabulary]; arguments as in `staircase.run_rows`."""
    model, group = recording.model, recording.group
    of = sent(prompt, model.device)
    rows = replace(
        group,
        indices=prompt.tolist(),
        input_ids=group.input_ids[of],
        decoder_ids=None if group.decoder_ids is None else group.decoder_ids[of],
        position=group.position[of],
        answers=group.answers[of],
    )
    family = passes.family_of_answers(model)
    below, layers = joined_below(layer, len(recording.ffn)), iter(range(len(recording.ffn)))

    def changed(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        at = next(layers)
        values = args[0].view(len(prompt), -1, args[0].shape[-1])  # OPT flattens rows and tokens
        parts = []
        for part in (slice(0, below[at]), slice(below[at], below[at + 1])):
            if part.stop > part.start:
                own, position = values[part], rows.position[part]
                new = change(at, part, taken(own, position)[:, 0])
                parts.append(own if new is None else put(own, position, new.to(values.dtype)[:, None]))
        return (torch.cat([*parts, values[below[at + 1] :]]).view(args[0].shape), *args[1:])

    downs = {family.down_of(block) for block in family.blocks_of(model.base)}  # one may serve several layers
    handles = [down.register_forward_pre_hook(changed) for down in downs]
    try:
        return passes.answer_logits(model, rows)
    finally:
        for handle in handles:
            handle.remove()
