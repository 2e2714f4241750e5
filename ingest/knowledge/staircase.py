"""Rows that leave a recorded pass at a layer of their own and run on to the answer, in one batch.

Rows of layer l join the batch behind block l, so that no row runs a block whose output it would not change.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.bidirectional_rows import BidirectionalRows
from nwh.ingest.knowledge.causal_rows import CausalRows
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rows import Change
from nwh.ingest.knowledge.whole_rows import run_whole_rows

_FLOATS = 128 << 20  # kept by the rows of one batch: half a GiB in float32


def batches(recording: Recording, layer: Tensor, gradients: bool) -> Iterator[slice]:
    """Yield slices of rows that stay within memory, by the layers at which they join.

    gradients: whether the rows keep what a backward pass needs.
    """
    group, d_model = recording.group, recording.model.checkpoint.d_model
    if recording.whole:
        tokens = (group.input_ids if group.decoder_ids is None else group.decoder_ids).shape[1]
    else:
        tokens = recording.exit[0].shape[1]
    block = tokens * (10 * d_model + 4 * recording.ffn[0].shape[1])
    blocks = len(recording.ffn) - layer if gradients else torch.ones_like(layer)
    vocabulary = 3 * group.answers.shape[1] * recording.model.checkpoint.vocab_size
    cost = blocks * block + vocabulary
    sizes = torch.bincount((cost.cumsum(0) - cost) // _FLOATS)
    start = 0
    for size in sizes[sizes > 0].tolist():
        yield slice(start, start + size)
        start += size


def run_rows(recording: Recording, prompt: Tensor, layer: Tensor, change: Change) -> Tensor:
    """Return the answer logits of rows, [rows, answer tokens, vocabulary].

    prompt, layer: [rows], the prompt (in the group) of each row and the layer at which it joins, sorted by
        prompt, then layer.
    change: gives the `ffn` values at the answer position, at the row's own layer and at each one above.
    """
    if recording.whole:
        return run_whole_rows(recording, prompt, layer, change)
    kind = BidirectionalRows if passes.is_bidirectional(recording.model) else CausalRows
    with kind(recording, prompt, layer, change):
        return passes.answer_logits_of_rows(recording.model, recording.group)
