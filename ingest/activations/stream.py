"""The pass of a corpus through a model: batches in, summaries of every neuron out.

Summaries are filled where the model runs on CUDA by `DeviceBuffer`, else by `ActivationBuffer` in main memory. What
comes out does not depend on that, nor on how sentences are cut into batches, nor on the number of passes or of shards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.activations.aggregates import Aggregate
from nwh.ingest.activations.batches import TOKEN_BUDGET, Batch, SentenceCounts, batch_of, buckets, one_ahead
from nwh.ingest.activations.buffer import ActivationBuffer, Place
from nwh.ingest.activations.corpus_tokens import CorpusTokens, corpus_tokens
from nwh.ingest.activations.device_buffer import SENTENCES, DeviceBuffer
from nwh.ingest.activations.memory_plan import State, plan
from nwh.ingest.activations.resume import Reached, found_passes, restore, restored, save, save_pass
from nwh.ingest.activations.settings import Settings
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.models import LoadedModel, capture, forward
from nwh.ingest.models.devices import multiplying
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError
from nwh.warehouse.progress import Progress
from nwh.warehouse.shard import WHOLE, Shard
from nwh.warehouse.storage.runs import Run

BLOCK = 4096  # sentences between two points where a run can be resumed
DEVICE_BLOCK = 65_536  # likewise, where summaries are on the device: sorted by length, most batches need no padding


@dataclass(frozen=True)
class Streaming:
    """What a run streams, and how.

    sample [sentences] int64: ordinals whose activations are kept whole. described: the run's settings. on_device:
    whether summaries are kept on the model's device, in torch. limit: see `memory_plan.plan`. shard: the share of the
    corpus's blocks that is run.
    """

    warehouse: Warehouse
    model: LoadedModel
    corpus: str
    n_sentences: int
    first_id: int
    settings: Settings
    aggregate: Aggregate
    sample: Tensor
    described: dict[str, Any]
    on_device: bool
    limit: int | None
    save_every: float
    progress: Progress
    shard: Shard = WHOLE

    def widths(self, layers: Sequence[int] | None = None) -> dict[Place, int]:
        """Return the neurons of each place: ffn, hidden of each layer, as computed, so the first NaN is where it arose.

        layers: those of a pass; all that are asked for if null.
        """
        row = self.model.checkpoint
        of_site = {"hidden": row.d_model, "ffn": row.d_ffn}
        chosen = self.settings.layers_of(row.n_layers, row.model) if layers is None else layers
        return {(site, layer): of_site[site] for layer in chosen for site in sorted(self.settings.sites)}

    @property
    def state(self) -> State:
        """What decides the size of a neuron's state."""
        k, positions = min(self.settings.k, self.n_sentences), self.settings.aggregate == "max"
        return State(k, len(self.sample), positions, self.on_device)

    @property
    def block(self) -> int:
        """Sentences between two points where the run can be resumed."""
        return DEVICE_BLOCK if self.on_device else BLOCK

    @property
    def ordinals(self) -> range:
        """The sentences that are run: those of the shard's blocks."""
        blocks = self.shard.of(-(-self.n_sentences // self.block))
        return range(blocks.start * self.block, min(blocks.stop * self.block, self.n_sentences))

    def fresh(self, place: Place) -> LayerSummary:
        """Return an empty summary of a place in main memory."""
        width = self.widths()[place]
        return LayerSummary(width, self.state.k, self.sample, self.state.positions)

    def buffer(self, layers: Sequence[int]) -> ActivationBuffer | DeviceBuffer:
        """Return an empty buffer, with its summaries, for a pass over some layers."""
        if not self.on_device:
            fresh = {place: self.fresh(place) for place in self.widths(layers)}
            return ActivationBuffer(fresh, self.aggregate, self.first_id)
        state, device = self.state, self.model.device
        return DeviceBuffer(
            self.widths(layers), state.k, self.sample, self.aggregate, state.positions, self.first_id, device
        )


def stream(run: Run, streaming: Streaming) -> tuple[SentenceCounts, Iterator[tuple[Place, LayerSummary]]]:
    """Run the model over the corpus, in as many passes as memory needs; return what counted and all summaries.

    These come by layer, each site's summary once. Goes on where an interrupted run of the same settings was. UsageError
    where not even one layer's state fits; ModelError for activations that are NaN or infinite, and for a corpus without
    a sentence to count.
    """
    tally, last = _all_passes(run, streaming)
    check_used(tally, streaming)
    return tally, _results(run, streaming, last.summaries)


def check_used(tally: SentenceCounts, streaming: Streaming) -> None:
    """Raise ModelError where no sentence of a corpus counts."""
    if not tally.used:
        raise ModelError(
            f"corpus {streaming.corpus} has no sentence of at least 3 tokens for {streaming.model.checkpoint.model}: "
            "nothing to store"
        )


def stage(run: Run, streaming: Streaming) -> SentenceCounts:
    """Run the model over a shard and leave the summary of each place in a staged file; return what counted.

    Goes on, and raises, as `stream` does, but that a shard may be without a sentence to count.
    """
    tally, last = _all_passes(run, streaming)
    n = len(streaming.ordinals)
    save_pass(run, streaming.described, last.summaries, Reached([[]], 0, n, n))
    return tally


def _all_passes(run: Run, streaming: Streaming) -> tuple[SentenceCounts, ActivationBuffer | DeviceBuffer]:
    """Return what counted and the buffer of the last pass; the summaries of those before it are staged."""
    planned = plan(streaming.widths(), streaming.state, streaming.model, streaming.limit)
    run.note(planned.note)
    own, described = streaming.ordinals, streaming.described
    reached = replace(found_passes(run, described, planned.passes, len(own)), first=own.start)
    tokens = corpus_tokens(streaming.warehouse, streaming.model, streaming.corpus, own, streaming.progress)
    with tokens, multiplying(streaming.model.tf32):
        while True:
            tally, last = _pass(run, streaming, tokens, reached)
            if reached.number == len(reached.passes) - 1:
                return tally, last
            save_pass(run, described, last.summaries, replace(reached, done=len(own)))
            del last  # before the next pass takes as much
            reached = replace(reached, number=reached.number + 1, done=0)
            save(run, described, {}, SentenceCounts(streaming.n_sentences), reached)


def _results(
    run: Run, streaming: Streaming, last: Mapping[Place, LayerSummary]
) -> Iterator[tuple[Place, LayerSummary]]:
    """Yield the summaries of earlier passes, read one at a time, and then those in memory."""
    for place in streaming.widths():
        if place not in last:
            yield place, restored(streaming.fresh(place), run.storage, run.place, place)
    yield from last.items()


def _pass(
    run: Run, streaming: Streaming, tokens: CorpusTokens, reached: Reached
) -> tuple[SentenceCounts, ActivationBuffer | DeviceBuffer]:
    """Go over the sentences after the first `reached.done` for the layers of its pass."""
    model, layers = streaming.model, reached.passes[reached.number]
    buffer, tally = streaming.buffer(layers), SentenceCounts(streaming.n_sentences)
    if reached.done:
        summaries = buffer.summaries
        restore(run, summaries, tally, reached.first)
        buffer.go_on(summaries)
        del summaries
    end = max(streaming.widths(layers), key=lambda place: (place[1], place[0]))
    whole = end[1] == model.checkpoint.n_layers - 1

    def take(site: str, layer: int, activations: Tensor) -> None:
        buffer.add(site, layer, activations)
        if (site, layer) == end and not whole:
            raise _Enough

    saved, cost = time.monotonic(), 0.0
    bar = streaming.progress.bar(streaming.corpus, reached.total, "sentences", reached.sentences)
    with bar as shown, buffer, capture(model, streaming.settings.sites, take, layers):
        for start in streaming.ordinals[reached.done :: streaming.block]:
            stop = min(start + streaming.block, streaming.n_sentences)
            began = time.monotonic()
            for batch in one_ahead(_batches(streaming, tokens, start, stop, tally), model.device):
                with buffer.for_batch(batch), suppress(_Enough):
                    forward(model, batch.input_ids, batch.attention_mask)
                shown.advance(len(batch.ordinals))
            buffer.end_block(start // streaming.block)
            run.model_seconds = (run.model_seconds or 0.0) + time.monotonic() - began
            if not streaming.save_every or time.monotonic() - saved > max(streaming.save_every, 100 * cost):
                began = time.monotonic()
                at = replace(reached, done=stop - reached.first)
                save(run, streaming.described, buffer.summaries, tally, at)
                saved = time.monotonic()
                cost = saved - began
    return tally, buffer


class _Enough(Exception):
    """Ends a forward pass after the last layer that is wanted."""


def _batches(
    streaming: Streaming, tokens: CorpusTokens, start: int, stop: int, tally: SentenceCounts
) -> Iterator[Batch]:
    """Yield the sentences of ordinals `start` to `stop` - 1 in batches, in main memory.

    On the device in a drawn order: activations go with length, and where short sentences come first, long ones pass the
    thresholds of the top in crowds. In main memory candidates cost little, and the order stays that of lengths.
    """
    part, ordinals = tokens.read(start, stop), np.arange(start, stop)
    budget = TOKEN_BUDGET[streaming.model.device.type]
    chosen = buckets(
        part,
        ordinals,
        budget,
        tally,
        most=SENTENCES if streaming.on_device else None,
        uniform=streaming.on_device,
    )
    if streaming.on_device:
        chosen = [chosen[i] for i in np.random.default_rng(start).permutation(len(chosen))]
    for members in chosen:
        yield batch_of(part, members, ordinals, streaming.settings.special_tokens)


def keeps_on_device(device: torch.device) -> bool:
    """Return whether summaries are kept on a device: CUDA; MPS has no float64, which moments are summed in."""
    return device.type == "cuda"
