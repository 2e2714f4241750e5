"""Shards of a pass over a corpus: each stages the summaries of its blocks; merged, they are those of the corpus."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import torch

from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.memory_plan import State
from nwh.ingest.activations.resume import restored, state_of
from nwh.ingest.activations.stream import Streaming, check_used, stage
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.checkpoints import model_versions
from nwh.ingest.models.devices import pick_dtype
from nwh.ingest.models.loading import Checkpoint
from nwh.warehouse import memory
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import StagedShard, arrays_of, complete

_STATES = 3  # of a place that is merged: what is merged so far, a shard's, and both one after the other


@dataclass(frozen=True)
class StagedModel:
    """The model that ran shards, as they describe it: what rows are made of needs no weights."""

    checkpoint: Checkpoint
    device: torch.device
    dtype: torch.dtype
    tf32: bool
    window: int
    pickled: bool

    @classmethod
    def of(cls, shard: StagedShard) -> StagedModel:
        """Return the model of a shard."""
        said, versions = shard.about["model"], shard.about["model_versions"]
        dtype = versions["dtype"]
        return cls(
            Checkpoint(**said["checkpoint"]),
            torch.device(versions["device"]),
            pick_dtype(dtype),
            dtype == "tf32",
            said["window"],
            versions["pickled"],
        )


def stage_shard(run: Run, streaming: Streaming) -> None:
    """Run a shard's sentences through the model and stage what is known of them."""
    own = streaming.ordinals
    tally = stage(run, streaming) if own else SentenceCounts(0)
    about: dict[str, Any] = {
        "first": own.start,
        "too_short": tally.too_short,
        "truncated": tally.truncated,
        "model": {"checkpoint": asdict(streaming.model.checkpoint), "window": streaming.model.window},
        "model_versions": model_versions(streaming.model),
    }
    complete(run, len(own), [("n_tokens", tally.n_tokens[own.start : own.stop])], **about)


def merged(
    storage: Storage, streaming: Streaming, shards: Sequence[StagedShard]
) -> tuple[SentenceCounts, Iterator[tuple[Place, LayerSummary]]]:
    """Return what counted in a corpus and all summaries, as `stream` does, of the shards that are all of it.

    Places are merged side by side, by as many threads as there are CPUs and half of the memory has room for.
    """
    tally = SentenceCounts(streaming.n_sentences)
    for shard in shards:
        n_tokens, first = arrays_of(storage, shard)["n_tokens"], shard.about["first"]
        tally.n_tokens[first : first + len(n_tokens)] = n_tokens
        tally.too_short += shard.about["too_short"]
        tally.truncated += shard.about["truncated"]
    check_used(tally, streaming)
    widths = streaming.widths()
    at_once = threads_for(widths, streaming.state)
    return tally, side_by_side(lambda place: merged_place(storage, streaming, shards, place), widths, at_once)


def threads_for(widths: Mapping[Place, int], state: State) -> int:
    """Return how many places are merged at once; widths: neurons of each. state: decides the size of a neuron's."""
    of_place = _STATES * max(widths.values()) * state.bytes_of_neuron
    return max(1, min(os.cpu_count() or 1, memory.available() // 2 // of_place))


def side_by_side(
    merge: Callable[[Place], LayerSummary], places: Iterable[Place], at_once: int
) -> Iterator[tuple[Place, LayerSummary]]:
    """Yield all places in order with their merged summaries, so many made at once: most of the work holds no lock."""
    with ThreadPoolExecutor(at_once) as threads:
        coming: deque[tuple[Place, Future[LayerSummary]]] = deque()
        for place in places:
            if len(coming) == at_once:
                first, summary = coming.popleft()
                yield first, summary.result()
                del summary  # before the next one takes as much
            coming.append((place, threads.submit(merge, place)))
        while coming:
            first, summary = coming.popleft()
            yield first, summary.result()


def merged_place(storage: Storage, streaming: Streaming, shards: Sequence[StagedShard], place: Place) -> LayerSummary:
    """Return a place's summary of the shards that are all of a corpus."""
    places = [shard.place for shard in shards if shard.about["done"]]  # of more shards than blocks some are empty
    whole = restored(streaming.fresh(place), storage, places[0], place)
    for staged in places[1:]:
        whole.merge_state(state_of(storage, staged, place))
    return whole
