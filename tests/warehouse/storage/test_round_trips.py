"""What an object store is asked for: one neuron's rows with their text, and the runs of a warehouse."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from deltalake import DeltaTable

from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError
from nwh.warehouse.storage import object_files
from nwh.warehouse.storage.files import Storage
from tests import failing_store, object_store

LAYERS, NEURONS, K, RUNS = 10, 100, 1000, 6
N_TEXTS = [40_000, 1500, 1, 1, 1, 1]
UNITS = {"main": ("c0", LAYERS), "step1": ("c1", 1)}  # the second's files are those that DuckDB does not look at first


def rows_of_neurons(random, corpus, n_layers):
    """Return rows of neuron_topk, sorted as the job stores them, random: 1 million of 10 layers, of 8 MB as a file."""
    n = n_layers * NEURONS * K
    return {
        "layer": np.repeat(np.arange(n_layers, dtype="int16"), NEURONS * K),
        "neuron": np.tile(np.repeat(np.arange(NEURONS, dtype="int32"), K), n_layers),
        "pole": ["top"] * n,
        "rank": np.tile(np.arange(1, K + 1, dtype="int32"), n_layers * NEURONS),
        "sentence_id": id_base(corpus) + random.integers(0, N_TEXTS[int(corpus[1:])], n),
        "activation": random.standard_normal(n).astype("float32"),
        "token_position": random.integers(0, 30, n).astype("int32"),
    }


@pytest.fixture(scope="module")
def counting(s3_server):
    """Return a server that counts, a warehouse there, and what is stored of its neurons by checkpoint."""
    random = np.random.default_rng(0)
    with failing_store.before(s3_server) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(s3_server).items():
            patch.setenv(name, value)
        warehouse = Warehouse.create(f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}")
        neurons = {of: rows_of_neurons(random, *unit) for of, unit in UNITS.items()}
        with patch.context() as quick:
            quick.setattr(Storage, "publish_catalog", lambda *_: None)
            for i, n in enumerate(N_TEXTS):
                ids = id_base(f"c{i}") + np.arange(n)
                about = {"sentence_id": ids, "doc_id": ["d"] * n, "position": ids * 0, "n_words": ids * 0}
                with warehouse.run("corpus", {"corpus": f"c{i}"}, {}) as run:
                    texts = [random.bytes(50).hex() for _ in ids]  # 2 MB of the first
                    run.write("sentences", {"corpus": f"c{i}"}, {**about, "text": texts})
            for checkpoint, (corpus, _) in UNITS.items():
                unit = {"model": "m", "checkpoint": checkpoint, "corpus": corpus}
                with warehouse.run("activations", unit, {"sites": ["ffn"]}) as run:
                    run.write("neuron_topk", {**unit, "site": "ffn"}, neurons[checkpoint])
        warehouse.publish_catalog()
        patch.setenv("AWS_ENDPOINT_URL", store.address)
        yield store, warehouse.storage.uri, neurons


def test_one_neuron_with_its_text(counting):
    """Of a unit's first neuron: the ends of its files at once, its rows, their text. None where a block is kept."""
    store, uri, neurons = counting
    warehouse = Warehouse.open(uri)
    store.round_trips()
    warehouse.sql("describe neuron_sentences").fetchall()
    assert store.round_trips() <= 4  # nwh.duckdb takes 2, what is fetched ahead 1

    def round_trips(layer, neuron, checkpoint="main"):
        store.seen(), store.round_trips()
        where = f"checkpoint = '{checkpoint}' and layer = {layer} and neuron = {neuron} and pole = 'top'"
        found = warehouse.sql(f"select sentence_id from neuron_sentences where site = 'ffn' and {where} and text > ''")
        first = (layer * NEURONS + neuron) * K
        assert sorted(found.fetchnumpy()["sentence_id"]) == sorted(neurons[checkpoint]["sentence_id"][first:][:K])
        assert all(asked.startswith("GET ") for asked in store.seen())  # the size of a file is known
        return store.round_trips()

    assert round_trips(0, 17, "step1") <= 3
    assert round_trips(3, 17) <= 3
    assert round_trips(3, 17) == round_trips(3, 18) == 0
    of_others = [round_trips(layer, 50) for layer in range(LAYERS)]
    assert max(of_others) <= 2
    assert 0 < sum(of_others) <= LAYERS


def test_runs_are_read_side_by_side(counting):
    store, uri, _ = counting
    store.round_trips()
    Warehouse.open(uri)
    assert store.round_trips() < RUNS + 6  # 6 if nothing else ran here


def test_a_log_is_not_read_again_from_its_beginning(s3_server, s3, monkeypatch):
    """What a commit asks Delta logs for does not grow with the runs that are stored."""
    monkeypatch.setattr(Storage, "publish_catalog", lambda *_: None)

    def add(warehouse, corpus):
        with warehouse.run("corpus", {"corpus": corpus}, {}) as run:
            columns = {name: [0] for name in ("sentence_id", "position", "n_words")}
            run.write("sentences", {"corpus": corpus}, {**columns, "doc_id": ["d"], "text": ["x"]})

    def read(*warehouse_and_corpus):
        store.seen()
        add(*warehouse_and_corpus)
        return sum("/_delta_log/" in asked for asked in store.seen())

    first = Warehouse.create(s3)
    for i in range(12):
        add(first, f"a{i}")
    with failing_store.before(s3_server) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.address)
        first, second = Warehouse.open(s3), Warehouse.open(s3)
        assert read(first, "b") < 60  # the first of its process opens the table
        assert read(first, "c") < 35
        assert read(second, "d") < 70
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    told = {path.rpartition("/sentences/")[2] for path in DeltaTable(f"{s3}/sentences").file_uris()}
    assert told == {path.rpartition("/sentences/")[2] for path in Warehouse.open(s3).snapshot["sentences"]}


class Blocks:
    """A client of files of which each byte says in which block it lies; `asked` for parts of them."""

    def __init__(self, n_blocks):
        self.content, self.asked = b"".join(bytes([i]) * object_files._BLOCK for i in range(n_blocks)), []

    def open_input_file(self, path):
        return self

    def size(self):
        return len(self.content)

    def read_at(self, n, start):
        self.asked.append((start, n))
        return self.content[start : start + n]


def test_what_was_read_is_kept_in_part_and_what_failed_is_not():
    block, kept = object_files._BLOCK, object_files._BLOCKS
    store = Blocks(kept + 20)
    files = object_files.ObjectFiles("s3://", store)
    file = files.open("s3://x")

    def read(start, n=9):
        file.seek(start)
        store.asked.clear()
        return file.read(n)

    for start, n in np.random.default_rng(0).integers(0, [len(store.content), 3 * block], (200, 2)).tolist():
        assert read(start, n) == store.content[start : start + n]
    for i in range(kept + 20):  # more than are kept, in order
        assert read(i * block) == bytes([i]) * 9
    assert files._block.cache_info().currsize == kept
    read(len(store.content) - 3 * block)
    assert store.asked == []
    read(0)
    assert store.asked == [(0, block)]

    def refuse(n, start):
        raise OSError("SlowDown")

    store.read_at = refuse
    with pytest.raises(StorageError, match="x cannot be read: SlowDown"):
        read(block)
    del store.read_at
    assert read(block) == b"\x01" * 9
