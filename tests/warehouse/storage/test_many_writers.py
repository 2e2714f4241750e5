"""Several processes write to one warehouse at once, and some are killed: no run is lost, doubled or half visible."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from random import Random

import pytest
from deltalake import DeltaTable

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, StorageError, UsageError
from nwh.warehouse.storage.locks import Locks
from nwh.warehouse.storage.tables import Tables
from tests.forked import forked

N_PROCESSES = 4
N_COMMITS = {"folder": 25, "s3": 8}
ROW = {"source": ["s"], "n_documents": [1], "settings": ["{}"]}


def store(warehouse, corpus, n):
    """Store n sentences that name the run, and how many they are in another relation."""
    with warehouse.run("corpus", {"corpus": corpus}, {"n": n}, again=True) as run:
        columns = {"sentence_id": list(range(n)), "doc_id": [run.run_id] * n, "position": [0] * n, "n_words": [1] * n}
        run.write("sentences", {"corpus": corpus}, {**columns, "text": ["x"] * n})
        run.write("corpora", {"corpus": corpus}, {**ROW, "source": [run.run_id], "n_sentences": [n]})
        yield run
    yield run


def work(environment, place, who, results, n_commits):
    """Commit units of this process's own and one that all share; die at random before or after the commit.

    Two have died in any case: before and after their first.
    """
    os.environ.update(environment)
    chance = Random(f"{who}/{os.getpid()}")
    warehouse = Warehouse.open(place)
    append = Tables.publish
    die = {"after": False}

    def publish(self, relations):
        if die["after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        append(self, relations)

    Tables.publish = publish
    while True:
        i = results[who].value
        if i >= n_commits:
            return
        results[who].value += 1
        corpus = "shared" if i % 5 == 4 else f"p{who}-{i}"
        die["after"] = chance.random() < 0.04 or (who, i) == (0, 0)
        try:
            run = store(warehouse, corpus, i + 1)
            next(run)
            if chance.random() < 0.04 or (who, i) == (1, 0):
                os.kill(os.getpid(), signal.SIGKILL)
            next(run)
        except BusyError:
            assert corpus == "shared"


def torn(warehouse):
    """Return what a reader sees of runs in part."""
    return warehouse.sql(
        "with counted as (select corpus, any_value(doc_id) as run_id, count(*) as n, count(distinct doc_id) as runs "
        "from sentences group by all) "
        "select * from counted full join (select corpus, source as run_id, n_sentences from corpora) as said "
        "using (corpus, run_id) full join (select run_id, unit, settings->>'n' as planned from runs "
        "qualify row_number() over (partition by unit order by seq desc) = 1) as ran using (run_id) "
        "where n is distinct from n_sentences or runs is distinct from 1 or planned::bigint is distinct from n "
        "or unit is distinct from 'corpus=' || corpus"
    ).fetchall()


@pytest.mark.slow
def test_runs_of_several_processes_are_whole_or_absent_whoever_dies(place):
    n_commits = N_COMMITS["s3" if place.startswith("s3://") else "folder"]
    Warehouse.create(place)
    results = [forked.Value("i", 0) for _ in range(N_PROCESSES)]
    workers = {}
    deaths, reads, last = 0, 0, 0
    while True:
        for who in range(N_PROCESSES):
            if who not in workers:
                arguments = dict(os.environ), place, who, results, n_commits
                workers[who] = forked.Process(target=work, args=arguments)
                workers[who].start()
            elif workers[who].exitcode == -signal.SIGKILL:  # another begins where it ended
                deaths += 1
                del workers[who]
            elif workers[who].exitcode is not None:
                assert workers[who].exitcode == 0
        reader = Warehouse.open(place)
        assert torn(reader) == []
        version = reader.tables.version()
        assert version >= last
        reads, last = reads + 1, version
        if len(workers) == N_PROCESSES and all(process.exitcode == 0 for process in workers.values()):
            break
        time.sleep(0.3)
    after = Warehouse.open(place)
    runs = after.sql("select run_id, unit, seq from runs order by seq").fetchall()
    assert len({seq for _, _, seq in runs}) == len({run_id for run_id, _, _ in runs}) == len(runs)
    assert torn(after) == []
    own = Counter(unit for _, unit, _ in runs if unit != "corpus=shared")
    assert set(own.values()) == {1}
    n_own = N_PROCESSES * sum(i % 5 != 4 for i in range(n_commits))
    assert n_own - deaths <= len(own) <= n_own
    assert deaths > 1
    assert reads > 3
    after.tables.publish(["sentences", "corpora"])
    for relation in ("sentences", "corpora"):
        told = {uri.rpartition(f"/{relation}/")[2] for uri in DeltaTable(f"{place}/{relation}").file_uris()}
        assert told == {after.tables.path_of(relation, uri) for uri in after.snapshot[relation]}
    after.tables.vacuum(0)
    assert after.tables.unused_files() == []
    assert torn(Warehouse.open(place)) == []


def test_of_two_first_runs_of_one_unit_the_second_is_told_who_came_first(place, monkeypatch):
    first = Warehouse.create(place)
    second = Warehouse.open(place)
    monkeypatch.setattr(Locks, "hold", unlocked)  # as on two machines that share no locks
    one, two = store(first, "a", 1), store(second, "a", 2)
    winner, loser = next(one), next(two)
    next(one)
    with pytest.raises(BusyError, match=f"{winner.run_id} has stored .* while run {loser.run_id}"):
        next(two)
    after = Warehouse.open(place)
    assert after.sql("select run_id from runs").fetchall() == [(winner.run_id,)]
    assert after.sql("select count(*) from sentences").fetchall() == [(1,)]
    assert after.tables.unused_files() == []


def test_a_vacuum_of_an_object_store_spares_what_may_be_at_work(s3):
    warehouse = Warehouse.create(s3)
    with pytest.raises(UsageError, match="--retain-hours 1 .* 24 at least"):
        warehouse.vacuum(1)
    assert warehouse.vacuum(24) == []


def test_a_store_that_is_not_there_and_wrong_credentials_are_one_line(s3, monkeypatch):
    Warehouse.create(s3)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="SignatureDoesNotMatch: .*whether these are its credentials"):
        Warehouse.open(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="whether the store is there"):
        Warehouse.open(s3)


def test_runs_are_put_into_one_file_and_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("nwh.warehouse.storage.tables._SMALL", 5)
    warehouse = Warehouse.create(tmp_path / "w")
    for i in range(1, 13):
        for _ in store(warehouse, f"c{i % 3}", i):
            pass
    assert torn(Warehouse.open(tmp_path / "w")) == []
    assert warehouse.sql("select settings->>'n' from runs order by seq").fetchall() == [(str(i),) for i in range(1, 13)]
    assert len(warehouse.snapshot["runs"]) < 7
    assert warehouse.sql("select corpus, n_sentences from corpora order by 1").fetchall() == [
        ("c0", 12),
        ("c1", 10),
        ("c2", 11),
    ]


def test_runs_that_were_put_together_stay_for_who_reads_them_still(tmp_path, monkeypatch):
    """Files are old when nothing has named them for long, whatever their age."""
    monkeypatch.setattr("nwh.warehouse.storage.tables._SMALL", 5)
    warehouse = Warehouse.create(tmp_path / "w")
    for i in range(1, 5):
        for _ in store(warehouse, f"c{i}", i):
            pass
    reader = Warehouse.open(tmp_path / "w")
    for uri in reader.snapshot["runs"]:
        os.utime(uri, (time.time() - 1000 * 3600,) * 2)
    for _ in store(warehouse, "c5", 5):
        pass
    assert len(warehouse.snapshot["runs"]) == 1
    assert warehouse.vacuum(24) == []
    assert reader.sql("select count(*) from runs").fetchall() == [(4,)]
    assert len(warehouse.vacuum(0)) == 5
    assert warehouse.sql("select count(*) from runs").fetchall() == [(5,)]


def test_files_of_a_relation_that_no_run_has_stored_are_found(tmp_path):
    warehouse = Warehouse.create(tmp_path / "w")
    left = tmp_path / "w" / "annotations" / "corpus=a" / "annotator=nltk" / "of-a-run-that-died-0.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    assert [name for name, _, _ in warehouse.tables.unused_files()] == ["annotations"]
    assert warehouse.vacuum(0) == ["annotations/corpus=a/annotator=nltk/of-a-run-that-died-0.parquet"]
    assert not left.exists()


class unlocked:
    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass
