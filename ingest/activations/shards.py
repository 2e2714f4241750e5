"""Shards of a pass over a corpus: each stages the summaries of its blocks; merged, they are those of the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.resume import restored
from nwh.ingest.activations.stream import Streaming, check_used, stage
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.checkpoints import model_versions
from nwh.ingest.models.devices import pick_dtype
from nwh.ingest.models.loading import Checkpoint
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import StagedShard, arrays_of, complete


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

    One place's summary, and that of one shard, are in memory at a time.
    """
    tally = SentenceCounts(streaming.n_sentences)
    for shard in shards:
        n_tokens, first = arrays_of(storage, shard)["n_tokens"], shard.about["first"]
        tally.n_tokens[first : first + len(n_tokens)] = n_tokens
        tally.too_short += shard.about["too_short"]
        tally.truncated += shard.about["truncated"]
    check_used(tally, streaming)
    return tally, ((place, merged_place(storage, streaming, shards, place)) for place in streaming.widths())


def merged_place(storage: Storage, streaming: Streaming, shards: Sequence[StagedShard], place: Place) -> LayerSummary:
    """Return a place's summary of the shards that are all of a corpus."""
    places = [shard.place for shard in shards if shard.about["done"]]  # of more shards than blocks some are empty
    whole = restored(streaming.fresh(place), storage, places[0], place)
    for staged in places[1:]:
        whole.merge(restored(streaming.fresh(place), storage, staged, place))
    return whole
