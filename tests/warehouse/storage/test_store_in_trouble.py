"""A store that is full, gone, throttled, of another clock: one clear line, nothing is lost, the run goes on."""

from __future__ import annotations

import re
import secrets

import duckdb
import pytest
from pyarrow.fs import FileSystem

from nwh.ingest.activations import job, stream
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse, sandbox
from nwh.warehouse.errors import StorageError
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import Storage
from tests import failing_store, object_store
from tests.conftest import WORDS
from tests.forked import nwh

ROW = {"source": ["s"], "n_documents": [1], "settings": ['{"text_sha256": "0"}']}
SAYS = {
    "full": "InsufficientStorage: There is not enough space.*; free space there. Nothing stored is lost",
    "quota": "QuotaExceeded: The quota of the bucket.*; free space there. Nothing stored is lost",
    "gone": "bucket does not exist; see whether that bucket was deleted.*the same command goes on",
    "clock": "time is too large; set this machine's clock right, it is off. Nothing stored is lost",
    "throttled": "SlowDown: .*; wait a while, or let fewer processes run at once. Nothing stored is lost",
}
WRITING = r"(PUT|POST) .*"


@pytest.fixture(scope="module")
def failing(s3_server):
    with failing_store.before(s3_server) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(store.address).items():
            patch.setenv(name, value)
        yield store


@pytest.fixture
def no_catalog(monkeypatch):
    monkeypatch.setattr(Storage, "publish_catalog", lambda *_: None)  # to save time


@pytest.fixture(scope="module")
def warehouse(failing):
    """Return a warehouse with one corpus on the server that refuses what it is told to."""
    made = Warehouse.create(f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}")
    store(made, "kept", ["kept"])
    return made


@pytest.fixture(autouse=True)
def recovered(failing):
    yield
    failing.recover()


def store(warehouse, corpus, texts):
    n = len(texts)
    with warehouse.run("corpus", {"corpus": corpus}, {"texts": texts}) as run:
        ids = [id_base(corpus) + i for i in range(n)]
        columns = {"sentence_id": ids, "doc_id": ["d"] * n, "position": [*range(n)], "n_words": [1] * n}
        run.write("sentences", {"corpus": corpus}, {**columns, "text": texts})
        run.write("corpora", {"corpus": corpus}, {**ROW, "n_sentences": [n]})


def stored(warehouse):
    """Return what is stored of sentences and, of their corpora, how many these have."""
    warehouse.refresh()
    sentences, corpora = (warehouse.scan(name).collect() for name in ("sentences", "corpora"))
    return set(sentences["corpus", "text"].rows()), set(corpora["corpus", "n_sentences"].rows())


def check(error, warehouse, fault):
    """Check that a fault makes one line that names the warehouse, what its store said, and a way out."""
    assert len(str(error.value).splitlines()) == 1
    assert warehouse.storage.uri in str(error.value)
    assert error.match(SAYS[fault])


@pytest.mark.parametrize(
    ("fault", "wanted", "whole"),
    [
        ("full", f"{WRITING}/sentences/", False),
        ("quota", f"{WRITING}/runs/_delta_log/", False),  # the commit
        ("throttled", f"{WRITING}/corpora/_delta_log/", True),  # after it
        ("clock", "/runs/_delta_log/", False),
        ("gone", "", False),
    ],
)
def test_a_run_that_is_refused_is_stored_whole_or_not_at_all_and_can_be_run_again(
    failing, warehouse, no_catalog, fault, wanted, whole
):
    sentences, corpora = stored(warehouse)
    after = sentences | {(fault, "1"), (fault, "2")}, corpora | {(fault, 2)}
    failing.refuse(fault, wanted)
    with pytest.raises(StorageError) as error:
        store(warehouse, fault, ["1", "2"])
    check(error, warehouse, fault)
    failing.recover()
    assert stored(warehouse) == (after if whole else (sentences, corpora))
    store(warehouse, fault, ["1", "2"])
    assert stored(warehouse) == after


def test_a_store_that_throttles_now_and_then_is_asked_again(failing, warehouse, no_catalog):
    failing.seen()
    failing.refuse("throttled", f"{WRITING}/(sentences/corpus|runs/_delta_log)", times=3)
    store(warehouse, "again", ["1"])
    tried = [asked for asked in failing.seen() if re.match(WRITING, asked)]
    assert len(tried) == len(set(tried)) + 3
    assert ("again", 1) in stored(warehouse)[1]


def test_a_question_that_is_refused_is_answered_in_one_line(failing, warehouse, tmp_path):
    warehouse.refresh()
    assert warehouse.connection is not None
    failing.refuse("full", "/sentences/")
    with pytest.raises(duckdb.Error) as met:
        warehouse.sql("from sentences").fetchall()
    line = "cannot be read: (HTTP status 507|InsufficientStorage): "
    for ask in (sandbox.explained, warehouse.storage.answering, warehouse.cursor):
        with pytest.raises(StorageError, match=line) as error, ask():
            raise met.value
        assert len(str(error.value).splitlines()) == 1
    failing.refuse("gone")
    with pytest.raises(StorageError) as error:
        warehouse.refresh()
    check(error, warehouse, "gone")
    where = ["--warehouse", warehouse.storage.uri]
    done = nwh([*where, "sql", "from sentences"], tmp_path, object_store.environment(failing.address))
    assert (done.returncode, done.stderr.decode()) == (1, f"error: {error.value}\n")


def test_a_bucket_that_is_deleted_under_a_run_is_named(failing, no_catalog):
    files, _ = FileSystem.from_uri("s3://?allow_bucket_creation=true&allow_bucket_deletion=true")
    files.create_dir("vanishing")
    warehouse = Warehouse.create("s3://vanishing/w")
    line = "^no warehouse at s3://vanishing/w: make one with `nwh init`, or name it with --warehouse$"
    with pytest.raises(StorageError, match=line), warehouse.run("corpus", {"corpus": "a"}, {}) as run:
        files.delete_dir("vanishing")
        run.write("corpora", {"corpus": "a"}, {**ROW, "n_sentences": [1]})


def test_shards_go_on_from_what_was_staged_when_the_store_takes_writes_again(failing, tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 30)
    monkeypatch.setattr(job, "ingest_profiles", lambda *_, **__: None)
    model, settings = load(str(tiny_bert), device="cpu"), Settings(("hidden",), k=5, sample=5, layers=(0,))
    plain = Warehouse.create(tmp_path / "w")
    warehouse = Warehouse.create(f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}")
    for each in (plain, warehouse):
        store(each, "one", [" ".join(WORDS[i % 7 : i % 11 + 9]) for i in range(120)])
    ingest_activations(plain, model, ["one"], settings)
    read, began = stream.CorpusTokens.read, []

    def noted(self, start, end):
        began.append(start)
        return read(self, start, end)

    monkeypatch.setattr(stream.CorpusTokens, "read", noted)

    def run(i):
        return ingest_activations(warehouse, model, ["one"], settings, shard=Shard(i, 2), save_every=0)

    failing.refuse("full", f"{WRITING}/1-of-2/partial", after=1)  # which one save takes
    with pytest.raises(StorageError) as error:
        run(1)
    check(error, warehouse, "full")
    failing.recover()
    assert began == [0, 30]
    assert run(1) == []
    assert began[2] == 30
    failing.refuse("quota", f"{WRITING}/neuron_stats/")
    with pytest.raises(StorageError) as error:
        run(2)  # and merge
    check(error, warehouse, "quota")
    failing.recover()
    n = len(began)
    assert len(run(2)) == 1
    assert len(began) == n
    for name in ("neuron_topk", "neuron_stats"):
        one, other = (each.sql(f"from {name} order by all").pl() for each in (plain, warehouse))
        assert one.height > 0
        assert one.equals(other), name
