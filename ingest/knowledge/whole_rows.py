"""Rows of models that nwh does not follow block by block: they run through the whole model with all their tokens.

Slower than the rows of `staircase` by the number of tokens, and true of any model: nothing but the values of the
feed-forward layers goes through our hands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rows import Change


def run_whole_rows(recording: Recording, prompt: Tensor, layer: Tensor, change: Change) -> Tensor:
    """Return the answer logits of rows, [rows, answer tokens, vocabulary]; arguments as in `staircase.run_rows`."""
    model, group = recording.model, recording.group
    rows = replace(
        group,
        indices=prompt.tolist(),
        input_ids=group.input_ids[prompt],
        decoder_ids=None if group.decoder_ids is None else group.decoder_ids[prompt],
        position=group.position[prompt],
        answers=group.answers[prompt],
    )
    family = passes.family_of_answers(model)
    layers = iter(range(len(recording.ffn)))

    def changed(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        at = next(layers)
        values = args[0].view(len(prompt), -1, args[0].shape[-1])  # OPT flattens rows and tokens
        # `change` is asked of rows that join here, then of those that joined below.
        for of in ((layer == at).nonzero().squeeze(1), (layer < at).nonzero().squeeze(1)):
            if len(of):
                new = change(at, of, values[of, rows.position[of]])
                if new is not None:
                    values = values.index_put((of, rows.position[of]), new.to(values.dtype))
        return (values.view(args[0].shape), *args[1:])

    downs = {family.down_of(block) for block in family.blocks_of(model.base)}  # one may serve several layers
    handles = [down.register_forward_pre_hook(changed) for down in downs]
    try:
        return passes.answer_logits(model, rows)
    finally:
        for handle in handles:
            handle.remove()
