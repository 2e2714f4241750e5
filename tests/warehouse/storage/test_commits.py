"""Runs become visible at once or not at all, replace their unit and nothing else, and survive what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, ModelError, StorageError
from nwh.warehouse.storage import delta
from nwh.warehouse.storage.runs import Run

ROW = {"source": ["s"], "n_documents": [1], "settings": ["{}"]}


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "w")


def store(warehouse, corpus, texts):
    with warehouse.run("corpus", {"corpus": corpus}, {"why": "test"}) as run:
        n = len(texts)
        columns = {"sentence_id": range(n), "doc_id": ["d"] * n, "position": range(n), "n_words": [1] * n}
        run.write("sentences", {"corpus": corpus}, {**{k: list(v) for k, v in columns.items()}, "text": texts})
        run.write("corpora", {"corpus": corpus}, {**ROW, "n_sentences": [n]})
    return run


def texts(warehouse, corpus):
    query = "select text from sentences where corpus = $1 order by sentence_id"
    return [text for (text,) in warehouse.sql(query, [corpus]).fetchall()]


def test_a_run_replaces_its_unit_and_nothing_else(warehouse):
    store(warehouse, "a", ["1", "2"])
    store(warehouse, "b", ["3"])
    store(warehouse, "a", ["4"])
    assert texts(warehouse, "a") == ["4"]
    assert texts(warehouse, "b") == ["3"]
    assert warehouse.sql("select job, unit, status, rows from runs order by started_at").fetchall() == [
        ("corpus", "corpus=a", "complete", 3),
        ("corpus", "corpus=b", "complete", 2),
        ("corpus", "corpus=a", "complete", 2),
    ]
    assert warehouse.scan("sentences").collect().height == 2


def test_what_others_store_is_seen_when_delta_has_removed_old_entries_of_its_log(warehouse):
    store(warehouse, "a", ["1"])
    opened = Warehouse.open(warehouse.storage.uri)
    version = opened.tables.version()
    for text in ("2", "3"):
        store(warehouse, "a", [text])
    log = Path(warehouse.storage.uri, "runs", "_delta_log")
    DeltaTable(log.parent).create_checkpoint()
    for entry in log.glob("*.json"):
        if int(entry.stem) <= version + 1:  # the opened version's, and the one that follows it
            entry.unlink()
    opened.refresh()
    assert texts(opened, "a") == ["3"]


def test_a_run_may_leave_a_unit_empty(warehouse):
    store(warehouse, "a", ["1"])
    store(warehouse, "a", [])
    assert texts(warehouse, "a") == []


def test_a_failed_run_changes_nothing_and_leaves_no_file(warehouse):
    store(warehouse, "a", ["1"])
    with pytest.raises(RuntimeError), warehouse.run("corpus", {"corpus": "a"}, {}) as run:
        run.write("corpora", {"corpus": "a"}, {**ROW, "n_sentences": [9]})
        raise RuntimeError
    again = Warehouse.open(warehouse.storage.uri)
    assert texts(again, "a") == ["1"]
    assert again.sql("select n_sentences from corpora").fetchall() == [(1,)]
    assert again.tables.unused_files() == []


def delta_rows(warehouse, relation):
    """What another engine reads of one table."""
    return DeltaTable(f"{warehouse.storage.uri}/{relation}").to_pyarrow_table().num_rows


@pytest.mark.parametrize("survives", [0, 1, 2])
def test_dying_before_the_row_of_runs_leaves_the_previous_state_and_after_it_the_new_one(
    warehouse, monkeypatch, survives
):
    store(warehouse, "a", ["1"])
    real, calls = delta.change, []

    def change_until_death(name, *args, **kwargs):
        if len(calls) == survives:
            raise KeyboardInterrupt
        calls.append(name)
        return real(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(delta, "change", change_until_death)
        with pytest.raises(KeyboardInterrupt):
            store(warehouse, "a", ["new", "newer"])
    assert len(calls) == survives
    stored = ["new", "newer"] if survives else ["1"]
    after = Warehouse.open(warehouse.storage.uri)
    assert texts(after, "a") == stored
    assert after.sql("select n_sentences from corpora").fetchall() == [(len(stored),)]
    store(after, "b", ["other"])  # brings the other tables' logs to what is stored
    assert texts(after, "a") == stored
    assert after.sql("select corpus, n_sentences from corpora order by 1").fetchall() == [("a", len(stored)), ("b", 1)]
    assert delta_rows(after, "sentences") == len(stored) + 1
    assert delta_rows(after, "corpora") == 2


def test_a_run_that_is_interrupted_when_its_row_is_stored_keeps_its_files(warehouse, monkeypatch):
    real = delta.change

    def change_and_stop(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    store(warehouse, "a", ["1"])
    with monkeypatch.context() as patch:
        patch.setattr(delta, "change", change_and_stop)
        with pytest.raises(KeyboardInterrupt):
            store(warehouse, "a", ["new", "newer"])
    after = Warehouse.open(warehouse.storage.uri)
    assert texts(after, "a") == ["new", "newer"]
    assert after.sql("select n_sentences from corpora").fetchall() == [(2,)]


def test_a_second_run_of_a_unit_is_refused_with_the_first_ones_id(warehouse):
    with warehouse.run("corpus", {"corpus": "a"}, {}) as first:
        with pytest.raises(BusyError, match=first.run_id), warehouse.run("corpus", {"corpus": "a"}, {}):
            pass
        with warehouse.run("corpus", {"corpus": "b"}, {}):
            pass
    with warehouse.run("corpus", {"corpus": "a"}, {}):
        pass


def test_a_reader_never_sees_an_error_or_part_of_a_unit(warehouse):
    store(warehouse, "a", ["0"] * 50)
    stop, looked, seen, errors = threading.Event(), threading.Semaphore(0), set(), []

    def read():
        while not stop.is_set():
            try:
                found = Warehouse.open(warehouse.storage.uri)
                stored = texts(found, "a")
                n = found.sql("select n_sentences from corpora").fetchall()[0][0]
                if len(set(stored)) != 1 or len(stored) != n:
                    errors.append((stored, n))
                seen.add(stored[0])
            except Exception as error:
                errors.append(error)
            looked.release()

    reader = threading.Thread(target=read)
    reader.start()
    looked.acquire()  # however slow it is, it sees the first
    for i in range(1, 9):
        store(warehouse, "a", [str(i)] * (50 + i))
    while looked.acquire(blocking=False):
        pass
    looked.acquire()
    looked.acquire()  # a look that began after the last
    stop.set()
    reader.join()
    assert errors == []
    assert {"0", "8"} <= seen


def test_rows_are_checked_against_the_schema(warehouse):
    def write(relation, partition, **columns):
        with warehouse.run("test", {"x": "y"}, {}) as run:
            run.write(relation, partition, columns)

    with pytest.raises(StorageError, match=r"corpora has columns.*missing \['n_documents'.*unknown \['colour'\]"):
        write("corpora", {"corpus": "a"}, source=["s"], colour=["red"])
    with pytest.raises(StorageError, match=r"corpora\.n_sentences must be int64"):
        write("corpora", {"corpus": "a"}, **ROW, n_sentences=["many"])
    with pytest.raises(StorageError, match=r"corpora\.n_sentences must not be null"):
        write("corpora", {"corpus": "a"}, **ROW, n_sentences=[None])
    unit = {"model": "m", "checkpoint": "c", "site": "ffn", "corpus": "a"}
    row = {"layer": [0], "neuron": [0], "pole": ["top"], "rank": [1], "sentence_id": [1], "token_position": [None]}
    with pytest.raises(ModelError, match=r"neuron_topk\.activation holds NaN"):
        write("neuron_topk", unit, **row, activation=[float("nan")])
    with pytest.raises(StorageError, match="layer must be int16"):
        write("neuron_topk", unit, **{**row, "layer": [70_000]}, activation=[0.5])
    assert warehouse.sql("select count(*) from runs").fetchall() == [(0,)]


def test_a_checkpoint_called_1000_stays_text_and_a_scope_keeps_its_plus(warehouse):
    row = {"step": [None], "source": ["s"], "revision": [None], "family": ["bert"], "objective": ["mlm"]}
    row |= {"family_description": [None], "series": ["m"], "seed": [None]}
    numbers = {name: [1] for name in ("n_layers", "d_model", "d_ffn", "vocab_size", "n_parameters")}
    with warehouse.run("test", {"x": "y"}, {}) as run:
        unit = {"model": "m+n", "checkpoint": "1000"}
        hooks = {"hidden_hooks": [None], "ffn_hooks": [None]}
        run.write("checkpoints", unit, {**row, **numbers, **hooks, "weights_sha256": ["0"]})
    assert warehouse.sql("select model, checkpoint from checkpoints").fetchall() == [("m+n", "1000")]
    assert warehouse.scan("checkpoints").collect()["checkpoint"].to_list() == ["1000"]


def test_a_full_disk_is_one_clear_error_and_nothing_stored_is_lost(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small tmpfs here")
    try:
        warehouse = Warehouse.create(small / "w")
        store(warehouse, "a", ["kept"])
        noise = [Random(i).randbytes(100).hex() for i in range(60_000)]
        with pytest.raises(StorageError, match="cannot write sentences.*No space left.*Nothing stored is lost"):
            store(warehouse, "b", noise)
        again = Warehouse.open(small / "w")
        assert texts(again, "a") == ["kept"]
        assert again.tables.unused_files() == []
        store(again, "c", ["there is room again"])
        assert texts(again, "c") == ["there is room again"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_no_warehouse_is_said_with_the_way_out(tmp_path):
    with pytest.raises(StorageError, match=r"no warehouse at .*nothing.*`nwh init`"):
        Warehouse.open(tmp_path / "nothing")


def test_a_damaged_log_is_named_and_nothing_is_promised(warehouse):
    store(warehouse, "a", ["1"])
    log = Path(warehouse.storage.uri, "runs", "_delta_log")
    (log / f"{0:020}.json").write_bytes(b"damaged")
    with pytest.raises(StorageError, match=r"table runs of .* cannot be read: .*put runs/_delta_log back") as error:
        Warehouse.open(warehouse.storage.uri)
    assert "lost" not in str(error.value)


def test_a_folder_may_have_blanks_and_other_signs_in_its_name(tmp_path):
    folder = tmp_path / "my own % warehouse #1 +ä"
    store(Warehouse.create(folder), "a", ["x"])
    again = Warehouse.open(folder)
    store(again, "a", ["y"])
    assert texts(again, "a") == ["y"]
    assert [name for name, _, _ in again.tables.unused_files()] == ["corpora", "sentences"]
    assert again.scan("sentences").collect().height == 1


def test_a_file_uri_names_a_folder(tmp_path):
    store(Warehouse.create(f"file://{tmp_path}/w"), "a", ["x"])
    assert texts(Warehouse.open(tmp_path / "w"), "a") == ["x"]


def test_vacuum_deletes_what_no_table_uses_and_waits_for_runs(warehouse):
    store(warehouse, "a", ["1"])
    store(warehouse, "a", ["2"])
    assert warehouse.vacuum(24) == []
    with warehouse.run("corpus", {"corpus": "b"}, {}), pytest.raises(BusyError, match="is under way"):
        warehouse.vacuum(0)
    assert len(warehouse.vacuum(0)) == 2
    assert texts(Warehouse.open(warehouse.storage.uri), "a") == ["2"]
    assert warehouse.tables.unused_files() == []


def test_the_catalog_file_serves_any_duckdb_client_and_is_never_missing(warehouse):
    import duckdb

    store(warehouse, "a", ["1"])
    path = f"{warehouse.storage.uri}/nwh.duckdb"
    with duckdb.connect(path, read_only=True) as open_before:
        store(warehouse, "a", ["2"])
        with duckdb.connect(":memory:") as other:
            other.execute(f"attach '{path}' as nwh (read_only)")
            assert other.execute("select text from nwh.sentences").fetchall() == [("2",)]
        assert open_before.execute("select text from sentences").fetchall() == [("1",)]


def test_a_stale_damaged_or_missing_catalog_file_is_never_believed(warehouse):
    from pathlib import Path

    published = Path(warehouse.storage.uri, "nwh.duckdb")
    store(warehouse, "a", ["1"])
    before = published.read_bytes()
    store(warehouse, "a", ["2"])
    fresh = published.read_bytes()
    for content in (before, b"damaged", None, fresh):
        for busy in (True, False):  # a run that is being stored will make the file anew; else the reader does
            published.unlink(missing_ok=True)
            if content is not None:
                published.write_bytes(content)
            opened = Warehouse.open(warehouse.storage.uri)
            with warehouse.storage.locks.hold("catalog") if busy else nullcontext():
                assert texts(opened, "a") == ["2"]
            used = opened.sql("select database_name from duckdb_databases() where not internal").fetchall()
            assert used == [("memory",) if busy and content != fresh else ("nwh",)]
            assert published.exists() == (content is not None or not busy)


def test_a_lock_is_free_again_when_its_process_is_killed(warehouse):
    code = f"""
        import os, signal
        from nwh.warehouse import Warehouse
        warehouse = Warehouse.open({warehouse.storage.uri!r})
        with warehouse.run("corpus", {{"corpus": "a"}}, {{}}) as run:
            print(run.run_id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert done.stdout
    store(warehouse, "a", ["1"])
    assert isinstance(warehouse.scan("sentences").collect().to_arrow(), pa.Table)


def test_status_names_what_runs_what_was_interrupted_and_what_is_stored(warehouse):
    import numpy as np

    from nwh.warehouse.storage import resume_state
    from nwh.warehouse.upkeep.status import COLUMNS, status

    store(warehouse, "a", ["1"])
    before = Run(warehouse.storage, "activations", {"model": "m", "corpus": "a"}, {}, [{"site": "ffn"}])
    before.seconds_before = 1.5
    resume_state.save(before, {}, 3, 9, [("x", np.arange(3))])
    with warehouse.run("activations", {"model": "m", "corpus": "b"}, {}, locks=[{"site": "ffn"}]) as run:
        columns, rows = status(warehouse)
    assert columns == COLUMNS
    unit = "model=m/corpus=b/site=ffn"
    assert rows[0] == ("running", "activations", unit, run.run_id, None, None, None, None, None)
    seconds = pytest.approx(1.5, abs=0.5)
    unit = "model=m/corpus=a/site=ffn"
    assert rows[1] == ("interrupted", "activations", unit, before.run_id, 3, 9, None, seconds, None)
    assert rows[2][:3] == ("complete", "corpus", "corpus=a")
    found = dict(resume_state.load(warehouse.storage, before.place))
    assert found["x"].tolist() == [0, 1, 2]


def test_a_snapshot_names_the_largest_file_first(tmp_path):
    """DuckDB guesses the rows of a relation from its first file."""
    import os

    warehouse = Warehouse.create(tmp_path)
    for corpus, n in (("a", 10), ("b", 30_000), ("c", 300)):
        with warehouse.run("test", {"corpus": corpus}, {}) as run:
            unit = {"model": "m", "checkpoint": "main", "corpus": corpus}
            run.write("sentence_tokens", unit, {"sentence_id": range(n), "n_tokens": range(n)})
    sizes = [os.path.getsize(uri) for uri in Warehouse.open(tmp_path).snapshot["sentence_tokens"]]
    assert len(set(sizes)) == 3
    assert sizes == sorted(sizes, reverse=True)
