"""What an object store is asked for: one neuron's rows with their text, and the runs of a warehouse."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.storage.files import Storage
from tests import failing_store, object_store

LAYERS, NEURONS, K, N_TEXTS, RUNS = 10, 100, 1000, 40_000, 6


def rows_of_neurons(random):
    """Return rows of neuron_topk, sorted as the job stores them: 1 million, random, of 8 MB as a file."""
    n = LAYERS * NEURONS * K
    return {
        "layer": np.repeat(np.arange(LAYERS, dtype="int16"), NEURONS * K),
        "neuron": np.tile(np.repeat(np.arange(NEURONS, dtype="int32"), K), LAYERS),
        "pole": ["top"] * n,
        "rank": np.tile(np.arange(1, K + 1, dtype="int32"), LAYERS * NEURONS),
        "sentence_id": id_base("c0") + random.integers(0, N_TEXTS, n),
        "activation": random.standard_normal(n).astype("float32"),
        "token_position": random.integers(0, 30, n).astype("int32"),
    }


@pytest.fixture(scope="module")
def counting(s3_server):
    """Return a server that counts, a warehouse there, and what is stored of its neurons."""
    random = np.random.default_rng(0)
    with failing_store.before(s3_server) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(s3_server).items():
            patch.setenv(name, value)
        warehouse = Warehouse.create(f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}")
        with patch.context() as quick:
            quick.setattr(Storage, "publish_catalog", lambda *_: None)
            for i in range(RUNS):
                n = N_TEXTS if i == 0 else 1
                ids = id_base(f"c{i}") + np.arange(n)
                about = {"sentence_id": ids, "doc_id": ["d"] * n, "position": ids * 0, "n_words": ids * 0}
                with warehouse.run("corpus", {"corpus": f"c{i}"}, {}) as run:
                    texts = [random.bytes(50).hex() for _ in ids]  # 2 MB
                    run.write("sentences", {"corpus": f"c{i}"}, {**about, "text": texts})
        neurons = rows_of_neurons(random)
        unit = {"model": "m", "checkpoint": "main", "corpus": "c0"}
        with warehouse.run("activations", unit, {"sites": ["ffn"]}) as run:
            run.write("neuron_topk", {**unit, "site": "ffn"}, neurons)
        patch.setenv("AWS_ENDPOINT_URL", store.address)
        yield store, warehouse.storage.uri, neurons


def test_one_neuron_with_its_text(counting):
    """Each request waits for the one before: 8 the first time, then 2 at most, none where DuckDB has kept the block."""
    store, uri, neurons = counting
    warehouse = Warehouse.open(uri)
    assert warehouse.connection is not None

    def requests(layer, neuron):
        store.seen()
        where = f"site = 'ffn' and layer = {layer} and neuron = {neuron} and pole = 'top'"
        found = warehouse.sql(f"select sentence_id, text from neuron_sentences where {where}").fetchall()
        first = (layer * NEURONS + neuron) * K
        assert sorted(sentence for sentence, _ in found) == sorted(neurons["sentence_id"][first : first + K])
        return [asked.partition(" ")[0] for asked in store.seen()]

    once = requests(3, 17)
    assert len(once) <= 8
    assert once.count("HEAD") == 2  # a file is opened once
    assert requests(3, 17) == requests(3, 18) == []
    of_others = [len(requests(layer, 50)) for layer in range(LAYERS)]
    assert max(of_others) <= 2
    assert 0 < sum(of_others) <= LAYERS


def test_runs_are_read_side_by_side(counting):
    store, uri, _ = counting
    store.round_trips()
    Warehouse.open(uri)
    assert store.round_trips() < RUNS + 6  # 6 if nothing else ran here
