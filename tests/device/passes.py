"""One pass of the job without what comes before and after it: no profiles, no Parquet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from nwh.ingest.activations.aggregates import aggregate_named
from nwh.ingest.activations.batches import SentenceCounts, one_ahead
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.corpus_tokens import corpus_tokens
from nwh.ingest.activations.settings import Settings
from nwh.ingest.activations.stream import Streaming, _batches, stream
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.models import LoadedModel, forward
from nwh.ingest.models.devices import multiplying
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT
from nwh.warehouse.storage.runs import Run
from tests.benchmarks.corpora import store_sentences


@dataclass
class Passed:
    """What a pass has made, how long it took, and what it said."""

    summaries: dict[Place, LayerSummary]
    seconds: float
    sentences: int
    notes: list[str]


def text(folder: Path, texts: list[str]) -> Warehouse:
    """Return a warehouse with a corpus `text`."""
    warehouse = Warehouse.create(folder)
    store_sentences(warehouse, "text", texts)
    return warehouse


def streaming_of(
    warehouse: Warehouse, model: LoadedModel, n: int, k: int, on_device: bool, limit: int | None = None
) -> Streaming:
    """Return a pass over the first `n` sentences."""
    sample = torch.arange(0, n, max(1, n // 200))
    aggregate = aggregate_named("mean", True)
    place = (warehouse, model, "text", n, id_base("text"), Settings(k=k), aggregate, sample)
    return Streaming(*place, {"k": k}, on_device, limit, save_every=1e9, progress=SILENT)


def run_pass(streaming: Streaming) -> Passed:
    """Run it; seconds are those of the loop over batches."""
    run = Run(streaming.warehouse.storage, "activations", {"corpus": "text"}, {})
    tally, summaries = stream(run, streaming)
    made = dict(summaries)
    assert run.model_seconds is not None
    streaming.warehouse.storage.discard_staged(run.place)
    return Passed(made, run.model_seconds, tally.used, run.notes)


def bare_seconds(streaming: Streaming) -> tuple[float, int]:
    """Return seconds and tokens (padding left out) of the model alone over the same batches."""
    model, tally = streaming.model, SentenceCounts(streaming.n_sentences)
    cached = corpus_tokens(streaming.warehouse, model, "text")
    with cached, multiplying(model.tf32):
        wait(model.device)
        began = time.monotonic()
        for start in range(0, streaming.n_sentences, streaming.block):
            stop = min(start + streaming.block, streaming.n_sentences)
            for batch in one_ahead(_batches(streaming, cached, start, stop, tally), model.device):
                forward(model, batch.input_ids, batch.attention_mask)
        wait(model.device)
        taken = time.monotonic() - began
        lengths = cached.read(0, streaming.n_sentences).lengths
        return taken, int(lengths[tally.n_tokens > 0].sum())


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
