"""How much the passes over prompts take at a time: constants in main memory, on a device what is free of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nwh.ingest.models.loading import LoadedModel


@dataclass(frozen=True)
class Room:
    """What fits at a time.

    prompts, tokens: at most, of a group that is recorded together. rows: bytes that the rows of one batch may keep.
    gradients: bytes of gradients that may be kept until they are summed.
    """

    prompts: int
    tokens: int
    rows: int
    gradients: int


_MAIN_MEMORY = Room(64, 1024, 512 << 20, 512 << 20)  # made for two cores, which gain nothing from more


def room_of(model: LoadedModel) -> Room:
    """Return what fits at a time where a model is."""
    if model.device.type != "cuda":
        return _MAIN_MEMORY
    free, _ = torch.cuda.mem_get_info(model.device)
    kept = torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)  # by torch, for us
    return room_in(model, free + kept)


def room_in(model: LoadedModel, free: int) -> Room:
    """Return what fits at a time in `free` bytes of a device.

    Powers of two, so that a little more or less that is free leaves the batches, and the last bits of results, alone.
    """
    row, size = model.checkpoint, model.dtype.itemsize
    rows = 1 << max(24, (free // 2).bit_length() - 1)
    recorded = rows // 8
    of_token = row.n_layers * 8 * row.d_model * size  # states in and out, queries, keys, values, what leads to them
    of_prompt = row.n_layers * row.d_ffn * 16 + row.vocab_size * 16  # values, scores and sums; logits
    return Room(max(1, recorded // of_prompt), max(1, recorded // of_token), rows, rows // 4)


def of_block(prompts: int, device: torch.device) -> int:
    """Return how many prompts (or edits) run between two points where a run is saved: `prompts` in main memory.

    On a device 16 times as many: what is alike in length among more is a larger batch, and takes as long.
    """
    return 16 * prompts if device.type == "cuda" else prompts
