"""Blocks of a long job: found again whole, bookkept in space that does not grow with their number."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.warehouse.errors import StorageError
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

SETTINGS = {"k": 3}


def opened(storage, total=100):
    run = Run(storage, "job", {"corpus": "a"}, SETTINGS)
    return run, StagedBlocks(run, total)


def table(*values):
    return pa.table({"value": pa.array(values, pa.int64())})


def place_of(storage):
    return Path(storage.uri, "staging", "job", "corpus=a")


@settings(max_examples=25)
@given(st.dictionaries(st.from_regex(r"[a-z]{0,3}-?[0-9]{1,4}", fullmatch=True), st.integers(0, 2000), max_size=8))
def test_blocks_are_found_again(tmp_path_factory, sizes):
    storage = Storage(tmp_path_factory.mktemp("w"))
    _, blocks = opened(storage)
    for name, size in sizes.items():
        assert not blocks.has(name)
        blocks.save(name, table(size, 1), size)
    run, again = opened(storage)
    assert (again.done, blocks.done) == (sum(sizes.values()),) * 2
    assert {name: again.load(name) for name in sizes} == {name: table(size, 1) for name, size in sizes.items()}
    assert not again.has("another")
    assert bool(run.notes) == bool(sizes)
    assert storage.staged_places() == (["job/corpus=a"] if sizes else [])


def test_what_is_written_beside_the_blocks_does_not_grow_with_them(tmp_path):
    """The description of 400 blocks was 400 names long, and was written 400 times."""
    storage = Storage(tmp_path / "w")
    _, blocks = opened(storage, total=400_000)
    description = place_of(storage) / "partial"
    sizes = []
    for i in range(400):
        blocks.save(str(i), table(i), 1000)
        sizes.append(description.stat().st_size)
    assert max(sizes) <= min(sizes) + 20  # digits of `done` and `seconds`
    folders = [folder for folder, _, files in os.walk(place_of(storage)) if len(files) > 20]
    assert folders == []
    assert resume_state.describe(storage, "job/corpus=a")["done"] == 400_000


def test_a_killed_run_loses_no_more_than_the_block_in_hand(tmp_path):
    """Whether it died before the block had its name, or before anything else was done."""
    storage = Storage(tmp_path / "w")
    _, blocks = opened(storage)
    blocks.save("0", table(0), 10)

    def dies(*arguments):
        raise KeyboardInterrupt

    real, storage.stage = (
        storage.stage,
        lambda place, name, write: dies() if name.startswith("blocks") else real(place, name, write),
    )
    with pytest.raises(KeyboardInterrupt):
        blocks.save("1", table(1), 10)
    _, again = opened(Storage(storage.uri))
    assert again.done == 10
    assert again.has("0")
    assert not again.has("1")


def test_a_block_that_is_cut_is_computed_again(tmp_path):
    storage = Storage(tmp_path / "w")
    _, blocks = opened(storage)
    for name in ("0", "1", "2"):
        blocks.save(name, table(*range(1000)), 10)
    (cut,) = place_of(storage).glob("blocks/*/1=10")
    os.truncate(cut, cut.stat().st_size - 8)  # at the end of what Arrow wrote
    run, again = opened(storage)
    assert [name for name in "012" if again.has(name)] == ["0", "2"]
    assert again.done == 20
    assert "block 1 of the partial result is cut: it is computed again" in run.notes
    again.save("1", table(5), 10)
    _, last = opened(storage)
    assert last.done == 30
    assert last.load("1") == table(5)


def test_a_damaged_block_is_an_error_with_the_way_out(tmp_path):
    storage = Storage(tmp_path / "w")
    _, blocks = opened(storage)
    blocks.save("0", table(*range(100_000)), 10)
    (path,) = place_of(storage).glob("blocks/*/0=10")
    content = bytearray(path.read_bytes())
    content[600:-100] = bytes(len(content) - 700)
    path.write_bytes(content)
    _, again = opened(storage)
    with pytest.raises(StorageError, match=r"blocks/.*is damaged.*`nwh vacuum --staging` drops it"):
        again.load("0")


def test_blocks_of_other_versions_do_not_meet(tmp_path, monkeypatch):
    storage = Storage(tmp_path / "w")
    now = resume_state.library_versions()
    with monkeypatch.context() as patch:
        patch.setattr(resume_state, "library_versions", lambda: {**now, "transformers": "4.9"})
        _, blocks = opened(storage)
        blocks.save("0", table(0), 10)
    run, again = opened(storage)
    assert not again.has("0")
    assert "that transformers 4.9 computed, was discarded" in run.notes[0]
    assert storage.staged_places() == []
