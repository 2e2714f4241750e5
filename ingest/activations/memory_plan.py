"""How much memory a pass over a corpus will take, and over how many groups of layers it goes so that all fits.

Known before the first batch: the state of the summaries grows with K and neurons, not with the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from nwh.ingest.activations.batches import TOKEN_BUDGET
from nwh.ingest.activations.buffer import BUFFER_SENTENCES, Place
from nwh.ingest.activations.device_buffer import SENTENCES, VALUES
from nwh.ingest.activations.rows import ROWS
from nwh.ingest.activations.summaries.block_moments import LEVELS
from nwh.ingest.activations.summaries.histogram import FINE
from nwh.ingest.activations.summaries.topk import slots
from nwh.ingest.models import LoadedModel
from nwh.warehouse import memory
from nwh.warehouse.errors import UsageError

_SHARE = 0.8  # of what is free: libraries and the file cache take some too
_ROW = 60  # bytes of a row of neuron_topk while it is made and while it is written
_TRANSIENT = 100  # bytes that a value takes while it is summarised on the device


@dataclass(frozen=True)
class MemoryPlan:
    """Groups of layers, one pass each, and the bytes that the largest takes of the device and of main memory.

    note: what the run tells the user.
    """

    passes: list[list[int]]
    device: int
    host: int
    note: str


@dataclass(frozen=True)
class State:
    """What decides how large the state of a neuron is."""

    k: int
    sample: int
    positions: bool
    on_device: bool

    @property
    def bytes_of_neuron(self) -> int:
        """Bytes of a neuron's summaries, and of its column of the buffer."""
        top = 2 * (slots(self.k) * (10 if self.positions else 8) + 12)
        moments, histogram, rest = (LEVELS + 1) * (4 * 8 + 2 * 4 + 8), FINE * 4 + 16, 4 * self.sample + 4
        buffer = (SENTENCES if self.on_device else BUFFER_SENTENCES) * (6 if self.positions else 4)
        return top + moments + histogram + rest + buffer


def plan(widths: Mapping[Place, int], state: State, model: LoadedModel, limit: int | None = None) -> MemoryPlan:
    """Return over which groups of layers to go; widths: neurons of each place.

    limit: bytes that a pass may take where the summaries are, on the device or in main memory; what is free if null.
    Raises UsageError where the state of one layer does not fit.
    """
    layers = sorted({layer for _, layer in widths})
    neurons = {layer: sum(width for (_, of), width in widths.items() if of == layer) for layer in layers}
    widest, per_neuron = max(neurons.values()), state.bytes_of_neuron
    writing = 2 * min(ROWS, max(widths.values()) * 2 * state.k) * _ROW  # some are made while others are written
    fixed = min(VALUES, widest * SENTENCES) * _TRANSIENT if state.on_device else writing
    free = limit if limit is not None else _free(model, state.on_device)
    at_once = (free - fixed) // (widest * per_neuron)
    where = str(model.device) if state.on_device else "main memory"
    all_of_it = sum(neurons.values()) * per_neuron + fixed
    shared = free - fixed - sum(neurons.values()) * (per_neuron - 16 * state.k)
    fitting = int(shared / sum(neurons.values()) / 20) - 2048  # 2 poles, 8 bytes, a quarter more room than K
    if at_once < 1:
        raise UsageError(
            f"the state of one layer's {widest:,} neurons at K = {state.k:,} and a sample of {state.sample:,} takes "
            f"{_gb(widest * per_neuron + fixed)} of {where}, and {_gb(free)} are free: choose a smaller --k or "
            "--sample, one --site, or a machine with more memory"
        )
    n_passes = -(-len(layers) // at_once)
    bounds = [len(layers) * i // n_passes for i in range(n_passes + 1)]
    passes = [layers[bounds[i] : bounds[i + 1]] for i in range(n_passes)]
    largest = max(sum(neurons[layer] for layer in of_pass) for of_pass in passes) * per_neuron + fixed
    note = f"the state of {sum(neurons.values()):,} neurons takes {_gb(all_of_it)} of {where}"
    if n_passes > 1:
        less = f"--k {fitting:,}" if fitting > 0 else "a smaller --sample"
        note += (
            f", of which {_gb(free)} are free: {n_passes} passes over the corpus, for {_spans(passes)}. A machine with "
            f"more memory, {less} or fewer neurons (--site, --layer) would make it one"
        )
    elif state.on_device:
        note += f", and {_gb(writing)} of main memory while rows are written"
    return MemoryPlan(passes, largest if state.on_device else 0, writing if state.on_device else largest, note)


def _free(model: LoadedModel, on_device: bool) -> int:
    """Return the bytes that the summaries may take where they are."""
    if not on_device or model.device.type != "cuda":
        return int(_SHARE * memory.available())
    free, _ = torch.cuda.mem_get_info(model.device)
    row = model.checkpoint
    tokens = TOKEN_BUDGET["cuda"]
    # a block's own tensors, and what attention makes where it makes a matrix: [heads of 64, tokens, window]
    of_batch = tokens * 4 * (12 * row.d_model + 4 * row.d_ffn + 2 * row.d_model // 64 * min(model.window, 512))
    return int(_SHARE * max(0, free - of_batch))


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _spans(passes: Sequence[Sequence[int]]) -> str:
    said = [f"layer {of[0]}" if len(of) == 1 else f"layers {of[0]} to {of[-1]}" for of in passes]
    return f"{', '.join(said[:-1])} and {said[-1]}"
