"""Shards of a corpus, wherever and in whatever order they run, end in the rows of one run, to the last bit."""

from __future__ import annotations

import random
import threading

import pytest
import torch

from nwh.ingest.activations import job, stream
from nwh.ingest.activations.job import Settings, ingest_activations, merge_activations
from nwh.ingest.activations.shards import side_by_side
from nwh.ingest.models import load
from nwh.ingest.models.series import KnownModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.shard import Shard, shard_of
from nwh.warehouse.storage import resume_state
from nwh.warehouse.upkeep.status import status
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.forked import nwh

TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens", "checkpoints"]
SETTINGS = Settings(k=20, sample=30, aggregate="max")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 30)
    monkeypatch.setattr(stream, "DEVICE_BLOCK", 30)
    monkeypatch.setattr(job, "ingest_profiles", lambda *_, **__: None)  # a job of its own, which the command's test has


@pytest.fixture(scope="module")
def model(tiny_bert):
    return load(str(tiny_bert), device="cpu")


@pytest.fixture
def known(model):
    return KnownModel(model.checkpoint, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus):
    """Return the folder of a warehouse with a corpus, to be copied."""
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "warehouse")
    add_corpus(made, "one", 150)
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.fixture(scope="module")
def whole(stored, model, tmp_path_factory):
    """Return the rows of one run."""
    made = copied(stored, tmp_path_factory.mktemp("whole") / "warehouse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK", 30)
        ingest_activations(made, model, ["one"], SETTINGS)
    return rows_of(made)


def rows_of(warehouse):
    found = Warehouse.open(warehouse.storage.uri)
    return {name: found.sql(f"from {name} order by all").pl() for name in TABLES}


def same(one, other):
    for name, frame in one.items():
        assert frame.height > 0
        assert frame.equals(other[name]), name


def shards(warehouse, model, n, order=None, **how):
    """Run all shards of n, each as a process of its own would; return how many runs were stored after each."""
    stored = []
    for i in order or range(1, n + 1):
        opened = Warehouse.open(warehouse.storage.uri)
        stored.append(len(ingest_activations(opened, model, ["one"], SETTINGS, shard=Shard(i, n), **how)))
    return stored


@pytest.mark.parametrize("n", [1, 2, 7])
def test_any_number_of_shards_in_any_order_makes_the_rows_of_one_run(warehouse, whole, model, n):
    order = random.Random(n).sample(range(1, n + 1), n)
    assert shards(warehouse, model, n, order) == [0] * (n - 1) + [1]
    same(whole, rows_of(warehouse))
    assert warehouse.storage.staged_places() == []
    assert shards(warehouse, model, n) == [0] * n  # stored already
    assert warehouse.storage.staged_places() == []
    if n == 7:
        found = verify(Warehouse.open(warehouse.storage.uri), deep=True)
        assert [finding.text for finding in found if finding.wrong] == []


def test_layers_are_merged_side_by_side_and_come_in_order():
    both, running, most = threading.Barrier(2), [], []

    def merge(place):
        running.append(place)
        most.append(len(running))
        if place[1] < 2:
            both.wait(30)  # the first two are at work at once
        running.remove(place)
        return place

    places = [("ffn", layer) for layer in range(7)]
    assert list(side_by_side(merge, places, 2)) == [(place, place) for place in places]
    assert max(most) == 2


def test_shards_of_several_passes_on_the_device_make_the_rows_of_one_run_there(warehouse, stored, model, tmp_path):
    one = copied(stored, tmp_path / "one")
    ingest_activations(one, model, ["one"], SETTINGS, on_device=True)
    limit = 40 * stream.State(20, 30, True, True).bytes_of_neuron + 40 * 2048 * 100 + 1000  # one layer at a time
    assert shards(warehouse, model, 3, [3, 1, 2], on_device=True, memory_limit=limit) == [0, 0, 1]
    same(rows_of(one), rows_of(warehouse))


def test_shards_on_an_object_store_make_the_rows_of_a_folder(s3, whole, model, add_corpus):
    warehouse = Warehouse.create(s3)
    add_corpus(warehouse, "one", 150)
    assert shards(warehouse, model, 2, [2, 1]) == [0, 1]
    same(whole, rows_of(warehouse))
    assert warehouse.storage.staged_places() == []


def test_a_shard_goes_on_where_it_was_and_one_that_is_staged_is_not_run_again(warehouse, whole, model, monkeypatch):
    read, calls = stream.CorpusTokens.read, []

    def interrupted(self, start, end):
        calls.append(start)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return read(self, start, end)

    monkeypatch.setattr(stream.CorpusTokens, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shards(warehouse, model, 2, [2], save_every=0)
    began = calls[0]
    shards(warehouse, model, 2, [2], save_every=0)
    assert calls[:5] == [began, began + 30, began + 60, began + 90, began + 90]
    n = len(calls)
    states = {(row[0], row[4], row[5]) for row in status(warehouse)[1] if row[1] == "activations"}
    n_sentences = warehouse.sql("select n_sentences from corpora").fetchall()[0][0]
    assert states == {("staged", n_sentences - began, n_sentences - began)}
    assert shards(warehouse, model, 2, [2]) == [0]
    assert len(calls) == n
    assert shards(warehouse, model, 2, [1]) == [1]
    same(whole, rows_of(warehouse))


def test_a_merge_needs_all_shards_of_these_settings_and_libraries(warehouse, known, model, monkeypatch):
    with pytest.raises(UsageError, match="no shard of activations/.* is staged: `--shard 1/8`"):
        merge_activations(warehouse, known, ["one"], SETTINGS)
    shards(warehouse, model, 3, [1])
    with pytest.raises(UsageError, match="of 3 shards of activations/.* 1 are staged"):
        merge_activations(warehouse, known, ["one"], SETTINGS)
    other = Settings(k=21, sample=30, aggregate="max")
    for work in (
        lambda: ingest_activations(warehouse, model, ["one"], other, shard=Shard(2, 3)),
        lambda: merge_activations(warehouse, known, ["one"], other),
    ):
        with pytest.raises(UsageError, match=r"shard 1/3 of activations/.* \(k 20, here 21\).*vacuum --staging"):
            work()
    now = resume_state.library_versions()
    with monkeypatch.context() as patch:
        patch.setattr(resume_state, "library_versions", lambda: {**now, "torch": "0.1"})
        shards(warehouse, model, 3, [2])
    assert shards(warehouse, model, 3, [3]) == [0]
    with pytest.raises(UsageError, match=r"shard 2/3 .* that torch 0\.1 computed: run it again"):
        merge_activations(warehouse, known, ["one"], SETTINGS)
    assert shards(warehouse, model, 3, [2]) == [1]


def test_a_merge_needs_no_weights_and_not_the_device_of_the_shards(warehouse, whole, known, model, monkeypatch):
    from nwh.ingest import shards as module

    with monkeypatch.context() as patch:  # the last one dies before it merges
        patch.setattr(module, "merge", lambda *_, **__: None)
        assert shards(warehouse, model, 2) == [0, 0]
    elsewhere = KnownModel(known.checkpoint, torch.device("cuda:0"), torch.float32)
    (run,) = merge_activations(warehouse, elsewhere, ["one"], SETTINGS)
    assert (run.settings["device"], run.versions["device"]) == ("cpu", "cpu")
    same(whole, rows_of(warehouse))
    assert run.model_seconds > 0
    assert merge_activations(warehouse, known, ["one"], SETTINGS) == []


def test_a_run_without_shards_leaves_staged_ones_until_the_unit_is_stored(warehouse, whole, model):
    shards(warehouse, model, 3, [1])
    assert warehouse.vacuum(0) == []
    (place,) = warehouse.storage.staged_places()
    assert place.startswith("shards/activations/model=tiny-bert/checkpoint=main/corpus=one/site=ffn+hidden/settings=")
    assert place.endswith("/1-of-3")
    with warehouse.run("activations", {"model": "tiny-bert", "checkpoint": "main", "corpus": "one"}, {"k": 1}):
        assert warehouse.storage.staged_places() == [place]
    ingest_activations(warehouse, model, ["one"], SETTINGS)
    same(whole, rows_of(warehouse))
    assert warehouse.storage.staged_places() == []


def test_a_vacuum_drops_shards_of_what_is_stored_and_of_a_text_that_is_gone(warehouse, model, add_corpus, monkeypatch):
    with monkeypatch.context() as patch:  # one that ends after the unit was stored, and dies before it looks
        patch.setattr(type(warehouse.storage), "discard_staged", lambda *_: None)
        shards(warehouse, model, 2)
    assert len(warehouse.storage.staged_places()) == 2
    removed = warehouse.vacuum(10**6)
    assert len(removed) == 2
    assert warehouse.storage.staged_places() == []
    ingest_activations(warehouse, model, ["one"], SETTINGS, again=True, shard=Shard(1, 2))
    add_corpus(warehouse, "one", 140, again=True)
    assert [path for path in warehouse.vacuum(10**6) if path.endswith("1-of-2")] != []


def test_more_shards_than_blocks_leave_some_without_work(warehouse, whole, model, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 200)
    n = 5
    n_blocks = -(-warehouse.sql("select n_sentences from corpora").fetchall()[0][0] // 200)
    assert n_blocks < n
    stored = shards(warehouse, model, n)
    assert sum(stored) == 1
    assert whole["neuron_topk"].height == rows_of(warehouse)["neuron_topk"].height


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "-1/3", "1/3/4", "a/b"])
def test_a_share_is_one_of_n(text):
    with pytest.raises(UsageError, match="1/N to N/N"):
        shard_of(text)


def test_shares_lie_side_by_side():
    for size in (0, 1, 7, 100):
        for n in (1, 3, 8):
            parts = [shard_of(f"{i}/{n}").of(size) for i in range(1, n + 1)]
            assert [number for part in parts for number in part] == list(range(size))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_command_runs_shards_and_merges(warehouse, tiny_bert, tmp_path):
    def command(*arguments):
        place = ["--warehouse", warehouse.storage.uri, "--quiet"]
        common = ["ingest", "activations", "--model", str(tiny_bert), "--k", "20", "--sample", "30", "--device", "cpu"]
        done = nwh([*place, *common, *arguments], tmp_path, {})
        return done.returncode, done.stderr.decode()

    code, said = command("--shard", "2/2", "--merge")
    assert code == 2
    assert "give one of them" in said
    for shard in ("1/2", "2/2"):
        assert command("--shard", shard) == (0, "")
    after = Warehouse.open(warehouse.storage.uri)
    runs = after.sql("select settings ->> 'k' from runs where job = 'activations'").fetchall()
    assert runs == [("20",)]
    assert after.sql("select count(*) > 0 from neuron_profiles").fetchall() == [(True,)]
