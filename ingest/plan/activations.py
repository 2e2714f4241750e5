"""What `nwh ingest activations` will cost: the job itself, over some sentences, in a warehouse that is thrown away."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from nwh.ingest.activations.aggregates import aggregate_named
from nwh.ingest.activations.batches import TOKEN_BUDGET, SentenceCounts, buckets
from nwh.ingest.activations.device_buffer import SENTENCES
from nwh.ingest.activations.job import ingest_activations
from nwh.ingest.activations.memory_plan import plan
from nwh.ingest.activations.settings import Settings
from nwh.ingest.activations.stream import BLOCK, DEVICE_BLOCK, Streaming, keeps_on_device
from nwh.ingest.activations.tokenised import tokenise
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.estimate import Estimate, Timing, enough, timed, weights_bytes
from nwh.ingest.plan.shards import shard_cost
from nwh.ingest.text.corpus import corpus_text
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT

_FEW = 64  # sentences that say how many more there is time for
_WRITTEN = 256  # sentences of the run that says what a row costs
_BYTES = 4.5  # of a row of neuron_topk on disk, where no run says it


def plan_activations(
    warehouse: Warehouse, model: LoadedModel, corpora: Sequence[str], settings: Settings, timing: Timing
) -> list[Estimate]:
    """Return what `ingest_activations` would cost, for each corpus; nothing in the warehouse changes.

    timing: its rate is sentences per second through all layers.
    Raises UsageError for an unknown corpus, and as the job does where not even one layer's state fits.
    """
    estimates = []
    for corpus in corpora:
        n, _ = corpus_text(warehouse, corpus)
        block = DEVICE_BLOCK if keeps_on_device(model.device) else BLOCK
        found = warehouse.sql(
            "select text from (select text from sentences where corpus = $1) using sample reservoir("
            f"{min(n, block)} rows) repeatable (0)",
            [corpus],
        ).fetchall()
        texts = [text for (text,) in found]
        estimates.append(activations_cost(model, corpus, texts, n, settings, timing))
    return estimates


def activations_cost(
    model: LoadedModel, corpus: str, texts: Sequence[str], n: int, settings: Settings, timing: Timing
) -> Estimate:
    """Return what n sentences like some texts cost; other arguments as for `plan_activations`."""
    with tempfile.TemporaryDirectory() as folder:
        streaming = _streaming(Warehouse.create(folder), model, n, settings)
        planned = plan(streaming.widths(), streaming.state, model, streaming.limit)
    n_layers, neurons = model.checkpoint.n_layers, sum(streaming.widths().values())
    passes = sum((layers[-1] + 1) / n_layers for layers in planned.passes)
    rows = 2 * neurons * min(settings.k, n)
    memory = max(planned.device, planned.host) + weights_bytes(model)
    described = f"{model.checkpoint} {corpus}"
    if (rate := timing.rate) is not None:
        note = f"given: {rate:g} sentences/s; writing and merging shards are not in it. {planned.note}"
        return Estimate("activations", described, n, "sentences", rate / passes, 0.0, memory, int(rows * _BYTES), note)
    _run(model, texts[:_FEW], settings, 8)  # what is loaded and compiled once
    first = _run(model, texts[:_FEW], settings, 8)
    size = enough(min(_FEW, len(texts)), first.loop, timing.seconds / 2, len(texts))
    loop = _run(model, texts[:size], settings, max(1, round(settings.k * size / n)))
    written = _run(model, texts[:_WRITTEN], settings, min(settings.k, _WRITTEN))
    reading = timed(model, lambda: tokenise(model, texts)) / len(texts)
    padded = _padded(model, texts) / len(texts) / (_padded(model, texts[:size]) / size)
    one_pass = (planned.passes[-1][-1] + 1) / n_layers  # as the calibration goes over all layers
    per_sentence = passes / one_pass * loop.loop / size * padded + reading
    # without what any run costs
    of_row = max(0.0, written.rest - first.rest) / max(1, written.rows - first.rows)
    alone, disk = first.rest + max(0, rows - first.rows) * of_row, int(rows * written.bytes / written.rows)
    shard = shard_cost(streaming.widths(), streaming.state)
    note = f"calibrated on {size:,} sentences; {planned.note}; a shard stages {shard.bytes / 1e9:.2g} GB"
    of_shard = shard.stage, shard.merge
    return Estimate("activations", described, n, "sentences", 1 / per_sentence, alone, memory, disk, note, *of_shard)


@dataclass(frozen=True)
class _Cost:
    """Seconds of a run's loop over batches and of the rest; rows of neuron_topk, and the bytes of their files."""

    loop: float
    rest: float
    rows: int
    bytes: int


def _run(model: LoadedModel, texts: Sequence[str], settings: Settings, k: int) -> _Cost:
    """Return what the job costs over some texts, in a new warehouse."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse, unit = Warehouse.create(folder), {"corpus": "sample"}
        with warehouse.run("corpus", unit, {}) as run:
            columns = {
                "sentence_id": id_base("sample") + np.arange(len(texts)),
                "doc_id": ["sample"] * len(texts),
                "position": np.arange(len(texts), dtype=np.int32),
                "text": list(texts),
                "n_words": [len(text.split()) for text in texts],
            }
            run.write("sentences", unit, columns)
            said = {"source": ["sample"], "n_documents": [1], "n_sentences": [len(texts)]}
            run.write("corpora", unit, {**said, "settings": ['{"text_sha256": "sample"}']})
        small = replace(settings, k=min(k, len(texts)), sample=min(settings.sample, len(texts)))
        began = time.monotonic()
        runs = ingest_activations(warehouse, model, ["sample"], small, save_every=1e9)
        whole, loop = time.monotonic() - began, runs[0].model_seconds
        assert loop is not None
        ((rows,),) = warehouse.sql("select count(*) from neuron_topk").fetchall()
        files = [path for path in Path(folder).rglob("*.parquet") if "neuron_topk" in str(path)]
        return _Cost(loop, whole - loop, rows, sum(path.stat().st_size for path in files))


def _padded(model: LoadedModel, texts: Sequence[str]) -> int:
    """Return how many tokens the model reads of some texts, padding included, in the batches of the job."""
    tokens, on_device = tokenise(model, texts), keeps_on_device(model.device)
    most, budget = SENTENCES if on_device else None, TOKEN_BUDGET[model.device.type]
    ordinals, tally = np.arange(len(texts)), SentenceCounts(len(texts))
    members = buckets(tokens, ordinals, budget, tally, most=most, uniform=on_device)
    if not members:
        raise UsageError("no sentence that was drawn has 3 tokens: there is nothing to time; give --rate")
    return sum(len(of_batch) * int(tokens.lengths[of_batch[-1]]) for of_batch in members)


def _streaming(warehouse: Warehouse, model: LoadedModel, n: int, settings: Settings) -> Streaming:
    """Return what the job would stream, as far as its memory goes."""
    return Streaming(
        warehouse=warehouse,
        model=model,
        corpus="sample",
        n_sentences=n,
        first_id=0,
        settings=settings,
        aggregate=aggregate_named(settings.aggregate, model.tokenizer.cls_token_id is not None),
        sample=torch.empty(min(settings.sample, n)),
        described={},
        on_device=keeps_on_device(model.device),
        limit=None,
        save_every=1e9,
        progress=SILENT,
    )
