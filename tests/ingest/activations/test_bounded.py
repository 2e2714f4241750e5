"""Memory that is bounded by K and neurons, or by a block, whatever the size of the corpus."""

from __future__ import annotations

import json
import threading
import tracemalloc

import numpy as np
import pytest
import torch

from nwh.ingest.activations import resume
from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.annotation.annotation import Annotation
from nwh.ingest.annotation.annotators import Annotator
from nwh.ingest.annotation.job import ingest_annotations
from nwh.ingest.models import load
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run


class Trivial(Annotator):
    """Cuts at blanks: nothing but the job itself takes memory."""

    def open(self):
        class Cut:
            def __call__(self, texts):
                return [Annotation(text.split(), text.split()) for text in texts]

            def close(self):
                pass

        return Cut()


def store(warehouse, n):
    with warehouse.run("corpus", {"corpus": "one"}, {}) as run:
        numbers = np.arange(n)
        columns = {
            "sentence_id": id_base("one") + numbers,
            "doc_id": np.full(n, "d"),
            "position": numbers.astype(np.int32),
            "text": np.full(n, "the cat sees a dog ."),
            "n_words": np.full(n, 6, np.int32),
        }
        run.write("sentences", {"corpus": "one"}, columns)
        about = {"source": ["s"], "n_documents": [1], "n_sentences": [n]}
        run.write("corpora", {"corpus": "one"}, {**about, "settings": [json.dumps({"text_sha256": "0"})]})


def test_annotations_take_the_memory_of_a_few_blocks(tmp_path):
    peaks = []
    for n in (5_000, 5_000, 60_000):  # the first one loads what is loaded once
        warehouse = Warehouse.create(tmp_path / str(len(peaks)))
        store(warehouse, n)
        warehouse.sql("from sentences limit 1").fetchall()
        tracemalloc.start()
        ingest_annotations(warehouse, "one", Trivial("t", "t", None, None, "note"), processes=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert warehouse.sql("select count(*), min(len(words)) from annotations").fetchall() == [(n, 6)]
    assert peaks[2] < 1.2 * peaks[1]


def test_a_resumed_pass_reads_the_state_of_one_layer_at_a_time(tmp_path):
    n_layers, neurons, k, n = 8, 32, 4000, 5000
    torch.manual_seed(0)

    def summaries():
        return {("ffn", layer): LayerSummary(neurons, k, torch.arange(10), False) for layer in range(n_layers)}

    full, tally = summaries(), SentenceCounts(n)
    for summary in full.values():
        summary.update(torch.randn(neurons, n), torch.arange(n))
    size = sum(t.numel() * t.element_size() for t in full["ffn", 0].state().values())
    run = Run(Storage(tmp_path / "w"), "activations", {"corpus": "one"}, {})
    resume.save(run, {}, full, tally, resume.Reached([[*range(n_layers)]], 0, n, n))
    fresh = summaries()
    tracemalloc.start()  # counts the arrays that are read, not what the summaries have taken already
    resume.restore(run, fresh, SentenceCounts(n))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert resume.found_passes(run, {}, [], n).done == n
    for key, summary in full.items():
        for one, other in zip(summary.top.result()[:2], fresh[key].top.result()[:2], strict=True):
            assert torch.equal(one, other)
    assert peak < 2 * size


def test_a_pass_that_fails_leaves_no_thread(tmp_path, tiny_bert, add_corpus):
    warehouse = Warehouse.create(tmp_path / "w")
    add_corpus(warehouse, "one", 60)
    model = load(str(tiny_bert), device="cpu")
    with torch.no_grad():
        model.base.encoder.layer[1].intermediate.dense.bias[5] = torch.nan
    before = set(threading.enumerate())
    with pytest.raises(ModelError) as error:  # which keeps alive all that was at work
        ingest_activations(warehouse, model, ["one"], Settings(k=3))
    assert error
    assert {thread.name for thread in set(threading.enumerate()) - before if "ThreadPool" in thread.name} == set()
