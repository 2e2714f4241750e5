"""Rows that leave a recorded pass at a layer of their own and run on to the answer, in one batch.

Rows of layer l join the batch behind block l, so that no row runs a block whose output it would not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.bidirectional_rows import BidirectionalRows
from nwh.ingest.knowledge.causal_rows import CausalRows
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rows import Change, joined_below, put, taken
from nwh.ingest.models.devices import sent


def batches(
    recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], gradients: bool
) -> Iterator[NDArray[np.int64]]:
    """Yield which rows run together, in the order that `run_rows` wants: neighbours, as many as there is room for.

    prompt, layer: [rows], the prompt (in the group) of each row and the layer at which it joins.
    gradients: whether the rows keep what a backward pass needs.
    """
    order = np.arange(len(layer))
    number = np.cumsum(cost := row_bytes(recording, layer, gradients)) - cost
    number //= recording.group.room.rows
    for rows in np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(layer) else ():
        yield rows[np.lexsort((prompt[rows], layer[rows]))]


def row_bytes(recording: Recording, layer: NDArray[np.int64], gradients: bool) -> NDArray[np.int64]:
    """Return the bytes that rows keep, by the layers at which they join; other arguments as for `batches`."""
    group, row = recording.group, recording.model.checkpoint
    seen = group.input_ids.shape[1]
    if recording.whole:
        tokens = seen if group.decoder_ids is None else group.decoder_ids.shape[1]
    else:
        tokens = recording.exit[0].shape[1]
    scores = 2 * (row.d_model // 64) * seen  # of attention, with heads of 64
    of_block = recording.model.dtype.itemsize * tokens * (10 * row.d_model + 4 * row.d_ffn + scores)
    blocks = len(recording.ffn) - layer if gradients else np.ones_like(layer)
    return blocks * of_block + 12 * group.answers.shape[1] * row.vocab_size


def run_rows(recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], change: Change) -> Tensor:
    """Return the answer logits of rows, [rows, answer tokens, vocabulary].

    prompt, layer: [rows], the prompt (in the group) of each row and the layer at which it joins, sorted by layer.
    change: gives the `ffn` values at the answer position, at the row's own layer and at each one above.
    """
    if recording.whole:
        return _run_whole(recording, prompt, layer, change)
    kind = BidirectionalRows if passes.is_bidirectional(recording.model) else CausalRows
    with kind(recording, prompt, layer, change):
        return passes.answer_logits_of_rows(recording.model, recording.group)


def _run_whole(recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], change: Change) -> Tensor:
    """Return what `run_rows` does, by the whole model with all tokens: slower by their number, and true of any model.

    Nothing but the values of the feed-forward layers goes through our hands.
    """
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

    with passes.before_downs(model, changed):
        return passes.answer_logits(model, rows)
