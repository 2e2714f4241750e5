"""Checkpoints of a series: one at a time, a broken one named while the others go on."""

import gc
import shutil
import weakref

import pytest

from nwh.ingest.models import load
from nwh.ingest.models.series import for_each_checkpoint
from nwh.warehouse.errors import ModelError, UsageError
from tests.conftest import Noting


@pytest.fixture
def series(tmp_path, tiny_bert):
    for step in (0, 10, 20):
        shutil.copytree(tiny_bert, tmp_path / "series" / f"step{step}")
    return tmp_path / "series"


def labels(*arguments, **options):
    """Return the labels of the checkpoints in the order in which they are worked on."""
    seen = []
    for_each_checkpoint(lambda model: seen.append(model.checkpoint.checkpoint), *arguments, device="cpu", **options)
    return seen


def test_all_are_those_there_are_by_step(series):
    assert labels(str(series), ["all"]) == ["step0", "step10", "step20"]


def test_one_is_in_memory_at_a_time(series, monkeypatch):
    alive, loaded = [], []

    def load_and_look(*arguments, **options):
        gc.collect()
        alive.append(sum(model() is not None for model in loaded))
        return load(*arguments, **options)

    monkeypatch.setattr("nwh.ingest.models.series.load", load_and_look)
    for_each_checkpoint(lambda model: loaded.append(weakref.ref(model.module)), str(series), ["all"], device="cpu")
    assert len(loaded) == 3
    assert alive == [0, 0, 0]


def test_a_missing_and_a_broken_one_are_named_and_the_others_go_on(series):
    (series / "step10" / "model.safetensors").write_bytes(b"cut")
    progress, seen = Noting(), []
    with pytest.raises(ModelError, match="2 of 4 checkpoints .* step10, step15; what could is stored"):
        for_each_checkpoint(
            lambda model: seen.append(model.checkpoint.checkpoint),
            str(series),
            ["step0", "step10", "step15", "step20"],
            progress,
            device="cpu",
        )
    assert seen == ["step0", "step20"]
    assert [note.split()[0] for note in progress.notes] == ["step10", "step15"]


def test_one_that_is_missing_is_the_error_itself(series):
    with pytest.raises(UsageError, match="no checkpoint 'step15'; it has: step0, step10, step20"):
        labels(str(series), ["step15"])


def test_what_is_stored_is_hashed_and_not_loaded(series):
    hashes = {label: load(str(series), label, device="cpu").checkpoint.weights_sha256 for label in ("step0", "step20")}
    known = []

    def is_stored(model):
        row = model.checkpoint
        known.append((row.model, row.checkpoint, row.source, row.weights_sha256, str(model.device), str(model.dtype)))
        return row.checkpoint != "step20"

    assert labels(str(series), ["step0", "step20"], is_stored=is_stored, name="s", dtype="bfloat16") == ["step20"]
    assert known == [("s", label, str(series), hashes[label], "cpu", "torch.bfloat16") for label in hashes]


def test_stored_ones_whose_files_are_broken_are_named_and_the_others_go_on(series):
    (series / "step10" / "model.safetensors").write_bytes(b"cut")
    progress, seen = Noting(), []

    def is_stored(model):
        return bool(model.checkpoint.weights_sha256) and model.checkpoint.checkpoint == "step0"

    with pytest.raises(ModelError, match=r"1 of 3 checkpoints .* step10; what could is stored"):
        for_each_checkpoint(
            lambda model: seen.append(model.checkpoint.checkpoint),
            str(series),
            ["all"],
            progress,
            is_stored=is_stored,
            device="cpu",
        )
    assert seen == ["step20"]


def test_wrong_use_is_wrong_for_all(series):
    def is_stored(model):
        raise UsageError("no corpus")

    with pytest.raises(UsageError, match="no corpus"):
        labels(str(series), ["all"], is_stored=is_stored)
