"""kill -9 at random moments: nothing committed is lost or doubled, and the resumed run ends in the same rows."""

from __future__ import annotations

import random
import threading
import time

import pytest
import torch

from nwh.ingest.activations import stream
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.upkeep.verify import verify
from tests.forked import forked

TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens", "sentences", "checkpoints"]
BLOCK = 64


def rows(warehouse):
    return {name: warehouse.sql(f"from {name} order by all").pl() for name in TABLES}


def ingest(uri, folder, begin):
    """Run the job in a process that may be killed, after every sentence block with a partial result."""
    torch.set_num_threads(1)
    stream.BLOCK = BLOCK
    model = load(folder, device="cpu")
    begin.send("begin")
    ingest_activations(Warehouse.open(uri), model, ["one", "two"], Settings(k=50, sample=20), save_every=0)


def start(*arguments):
    """Return a process that has begun to ingest."""
    begun, begin = forked.Pipe(duplex=False)
    process = forked.Process(target=ingest, args=(*arguments, begin))
    process.start()
    begin.close()  # so that the end of a process that never begins is seen
    assert begun.recv() == "begin"
    return process


@pytest.mark.slow
def test_twenty_kills_and_a_reader_all_along(tmp_path, add_corpus, tiny_bert, monkeypatch):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    undisturbed, warehouse = Warehouse.create(tmp_path / "undisturbed"), Warehouse.create(tmp_path / "killed")
    for each in (undisturbed, warehouse):
        add_corpus(each, "one", 400)
        add_corpus(each, "two", 300, seed=1)
    model = load(str(tiny_bert), device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(stream, "BLOCK", BLOCK)
        ingest_activations(undisturbed, model, ["one", "two"], Settings(k=50, sample=20))
    want = rows(undisturbed)
    sizes = {0} | {rows["sentence_id"].len() for _, rows in want["neuron_topk"].group_by("corpus", "site")}

    stop, errors, looks = threading.Event(), [], []

    def read():
        while not stop.wait(0.2):
            try:
                found = Warehouse.open(warehouse.storage.uri).sql(
                    "select corpus, site, count(*), count(distinct (layer, neuron)) from neuron_topk group by all"
                )
                stats = "select corpus, site, count(*) from neuron_stats group by all"
                looks.append({(corpus, site): n for corpus, site, n, _ in found.fetchall()})
                Warehouse.open(warehouse.storage.uri).sql(stats).fetchall()
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    kills = 0
    try:
        while kills < 20:
            process = start(warehouse.storage.uri, str(tiny_bert))
            time.sleep(chance.uniform(0, 1.5))
            process.kill()
            process.join()
            kills += process.exitcode == -9
            if process.exitcode == 0:  # all done: start over, so that every kill has something to hit
                for corpus in ("one", "two"):
                    ingest_activations(warehouse, model, [corpus], Settings(k=3 + kills, sample=20), again=True)
        last = start(warehouse.storage.uri, str(tiny_bert))
        last.join()
        assert last.exitcode == 0
    finally:
        stop.set()
        reader.join()
    assert errors == []
    assert looks
    killed = Warehouse.open(warehouse.storage.uri)
    for name, frame in rows(killed).items():
        assert frame.equals(want[name]), name
    assert len(sizes) > 1
    assert [finding.text for finding in verify(killed, deep=True) if finding.wrong] == []
