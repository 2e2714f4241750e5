"""Partial results: whose they are, what is gone on from, and what is known to be cut."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, StorageError, UsageError
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import LIBRARIES, Run

UNIT = {"model": "m", "checkpoint": "main", "corpus": "a"}
SETTINGS = {"k": 3, "sites": ("ffn", "hidden")}


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return Storage(tmp_path_factory.mktemp("storage"))


def start(storage, unit=UNIT):
    return Run(storage, "job", unit, SETTINGS)


def sites(*names):
    return [{**UNIT, "site": name} for name in names]


def test_runs_side_by_side_have_places_of_their_own(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    with warehouse.run("job", UNIT, SETTINGS, locks=sites("hidden")) as hidden:
        resume_state.save(hidden, {"site": "hidden"}, 1, 9)
        with warehouse.run("job", UNIT, SETTINGS, locks=sites("ffn")) as ffn:
            resume_state.save(ffn, {"site": "ffn"}, 2, 9)
            assert resume_state.describe(warehouse.storage, hidden.place)["done"] == 1
            with pytest.raises(BusyError), warehouse.run("job", UNIT, SETTINGS, locks=sites("hidden", "ffn")):
                pass
        assert resume_state.describe(warehouse.storage, hidden.place)["done"] == 1
    assert warehouse.storage.staged_places() == []


def test_the_place_is_the_same_whatever_the_order_of_the_locks(storage):
    places = {Run(storage, "job", UNIT, {}, sites(*names)).place for names in (("ffn", "hidden"), ("hidden", "ffn"))}
    assert places == {"job/model=m/checkpoint=main/corpus=a/site=ffn+hidden"}


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 255), max_size=40), max_size=4),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["cut", "empty at the end"]),
)
def test_what_is_cut_anywhere_is_never_gone_on_from(storage, contents, at, how):
    arrays = [(f"a{i}", np.array(content, np.uint8)) for i, content in enumerate(contents)]
    resume_state.save(start(storage), SETTINGS, 1, 2, arrays)
    found = resume_state.load(storage, start(storage).place)
    assert [(name, array.tolist()) for name, array in found] == [(name, array.tolist()) for name, array in arrays]
    path = Path(storage.uri, "staging", start(storage).place, "partial")
    whole = path.read_bytes()
    os.truncate(path, int(at * len(whole)))
    if how != "cut":  # what a file system may leave of a file that did not reach the disk
        os.truncate(path, len(whole))
    assume(path.read_bytes() != whole)  # it may end with zeros
    run = start(storage)
    assert resume_state.describe(storage, run.place) is None
    assert resume_state.resume(run, SETTINGS) is None
    assert run.notes == [
        "a partial result of an earlier run, that is cut, was discarded: this run starts from the beginning"
    ]
    assert storage.staged_places() == []


def test_less_than_the_file_says_is_an_error(storage):
    run = start(storage)
    resume_state.save(run, SETTINGS, 1, 2, [("a", np.arange(100))])
    staged = Path(storage.uri, "staging", run.place, "partial")
    content = staged.read_bytes().replace(b'"shape": [100]', b'"shape": [999]')
    staged.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged: `nwh vacuum --staging` drops it"):
        list(resume_state.load(storage, run.place))
    storage.discard_staged(run.place)


def test_it_is_on_the_disk_before_it_has_its_name(storage, monkeypatch):
    steps = []
    fsync = os.fsync

    def seen(descriptor):
        fsync(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append(
            (path.rpartition("/")[2], os.path.getsize(path), storage.is_staged(start(storage).place, "partial"))
        )

    monkeypatch.setattr(os, "fsync", seen)
    resume_state.save(start(storage), SETTINGS, 1, 2, [("a", np.arange(100))])
    size = Path(storage.uri, "staging", start(storage).place, "partial").stat().st_size
    assert steps == [("partial.part", size, False)]
    storage.discard_staged(start(storage).place)


def test_a_run_goes_on_from_the_same_settings_alone(storage):
    before = start(storage)
    before.seconds_before, before.model_seconds = 100.0, 50.0
    resume_state.save(before, SETTINGS, 1, 2, too_short=7)
    run = start(storage)
    found = resume_state.resume(run, SETTINGS)
    assert (found["done"], found["too_short"], found["run_id"]) == (1, 7, before.run_id)
    assert run.seconds >= 100
    assert run.model_seconds == 50
    other = start(storage)
    assert resume_state.resume(other, {**SETTINGS, "k": 4}) is None
    assert "with other settings, was discarded" in other.notes[0]
    assert storage.staged_places() == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_run_goes_on_from_the_same_versions_alone(storage, monkeypatch, library):
    now = resume_state.library_versions()
    assert now["nwh"]
    assert now["torch"]
    with monkeypatch.context() as patch:
        patch.setattr(resume_state, "library_versions", lambda: {**now, library: "0.0.1"})
        resume_state.save(start(storage), SETTINGS, 1, 2)
    run = start(storage)
    assert resume_state.resume(run, SETTINGS) is None
    assert f"that {library} 0.0.1 computed, was discarded" in run.notes[0]
    assert storage.staged_places() == []


def test_names_of_units_may_be_as_long_as_a_folders_and_no_longer(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    columns = {"layer": [0], "k": [2], "sse": [1.0], "n_vectors": [9]}
    corpora = [f"corpus-number-{i:05}" for i in range(40)]

    def store(scope):
        unit = {"model": "m", "checkpoint": "main", "site": "ffn", "scope": scope}
        with warehouse.run("clusters", unit, {}) as run:
            resume_state.save(run, {}, 1, 2)
            run.write("layer_clusters", unit, columns)

    longest = "+".join(corpora)[:249]
    store(longest)
    assert warehouse.sql("select scope from layer_clusters").fetchall() == [(longest,)]
    with pytest.raises(UsageError, match=r"the scope corpus-number-0.* 250 bytes long.* 249: name fewer corpora"):
        store("+".join(corpora)[:250])
    with pytest.raises(UsageError, match="choose a shorter name"), warehouse.run("corpus", {"corpus": "c" * 249}, {}):
        pass
    assert warehouse.storage.staged_places() == []


def test_locks_are_named_to_others(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    name = "clusters/scope=" + "+".join(["a-rather-long-corpus"] * 30)
    with warehouse.storage.locks.hold(name, {"run_id": "r1", "place": "p"}):
        held = warehouse.storage.locks.held()
        assert held[name]["run_id"] == "r1"
        with pytest.raises(BusyError, match=f"run r1 .* is already working on {name[:200]}".replace("+", r"\+")):
            warehouse.storage.locks.hold(name).__enter__()
    assert warehouse.storage.locks.held() == {}


def test_a_run_that_starts_during_a_vacuum_loses_nothing(tmp_path, monkeypatch):
    warehouse = Warehouse.create(tmp_path)
    written, vacuumed = threading.Event(), threading.Event()

    def write():
        own = Warehouse.open(tmp_path)
        with own.run("corpus", {"corpus": "a"}, {}) as run:
            sentence = {"sentence_id": [0], "doc_id": ["d"], "position": [0], "n_words": [1], "text": ["kept"]}
            run.write("sentences", {"corpus": "a"}, sentence)
            written.set()
            vacuumed.wait(30)

    thread = threading.Thread(target=write)
    real = warehouse.tables.vacuum

    def vacuum(retain_hours):
        thread.start()
        written.wait(1)
        return real(retain_hours)

    with warehouse.run("corpus", {"corpus": "b"}, {}) as run:  # so that there is a table to look through
        sentence = {"sentence_id": [0], "doc_id": ["d"], "position": [0], "n_words": [1], "text": ["b"]}
        run.write("sentences", {"corpus": "b"}, sentence)
    monkeypatch.setattr(warehouse.tables, "vacuum", vacuum)
    assert warehouse.vacuum(0) == []
    vacuumed.set()
    thread.join()
    found = Warehouse.open(tmp_path).sql("select text from sentences order by 1").fetchall()
    assert found == [("b",), ("kept",)]


def test_a_vacuum_names_the_run_it_will_not_disturb(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    with (
        warehouse.run("corpus", {"corpus": "a"}, {}) as one,
        warehouse.run("corpus", {"corpus": "b"}, {}) as other,
        pytest.raises(BusyError, match=f"run ({one.run_id}|{other.run_id}) is under way"),
    ):
        warehouse.vacuum(0)
    assert warehouse.vacuum(0) == []


def test_a_staging_area_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "staging").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write staging/job/model=m.*run the same command again"):
        resume_state.save(start(Storage(tmp_path)), SETTINGS, 1, 2)
