"""An object store that is full, gone, throttled, or of another hour: one clear line, nothing lost, gone on from."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.staged_shards import complete, staged_shards
from tests.object_store import Proxy

UNIT = {"corpus": "a"}


@pytest.fixture
def proxy(s3, s3_server, monkeypatch):
    """Return what stands before the store; all that uses the store goes through it."""
    made = Proxy(s3_server)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def stage(warehouse, i):
    with warehouse.share("corpus", UNIT, {"k": 1}, Shard(i, 2)) as run:
        complete(run, 1)


def store(warehouse):
    with warehouse.run("corpus", UNIT, {"k": 1}) as run:
        sentence = {"sentence_id": [0], "doc_id": ["d"], "position": [0], "n_words": [1], "text": ["x"]}
        run.write("sentences", UNIT, sentence)


@pytest.mark.parametrize(("status", "code"), [(403, "QuotaExceeded"), (404, "NoSuchBucket")], ids=["full", "vanished"])
def test_what_the_store_refuses_is_one_line_and_is_gone_on_from(s3, proxy, status, code):
    warehouse = Warehouse.create(s3)
    stage(warehouse, 1)
    proxy.fault = lambda method, path: (status, code) if method in ("PUT", "POST") else None
    with pytest.raises(StorageError) as error:
        stage(warehouse, 2)
    (line,) = str(error.value).splitlines()
    assert s3 in line
    assert "run the command again" in line
    assert code in line or str(status) in line
    proxy.fault = lambda method, path: None
    assert [shard.i for shard in staged_shards(warehouse.storage, "corpus/corpus=a")] == [1]
    stage(warehouse, 2)
    assert [shard.i for shard in staged_shards(warehouse.storage, "corpus/corpus=a")] == [1, 2]
    store(warehouse)
    assert Warehouse.open(s3).sql("select text from sentences").fetchall() == [("x",)]
    assert warehouse.storage.staged_places() == []


def test_a_clock_that_is_off_is_said(s3, proxy):
    Warehouse.create(s3)
    proxy.fault = lambda method, path: (403, "RequestTimeTooSkewed")
    with pytest.raises(StorageError, match="RequestTimeTooSkewed|403") as error:
        Warehouse.open(s3)
    assert len(str(error.value).splitlines()) == 1


def test_a_throttling_store_is_asked_again(s3, proxy):
    tries = Counter()

    def throttled(method, path):
        tries[method, path] += 1
        return (503, "SlowDown") if tries[method, path] == 1 else None

    warehouse = Warehouse.create(s3)
    proxy.fault = throttled
    stage(warehouse, 1)
    store(warehouse)
    proxy.fault = lambda method, path: None
    assert len(tries) > 10
    assert Warehouse.open(s3).sql("select text from sentences").fetchall() == [("x",)]
