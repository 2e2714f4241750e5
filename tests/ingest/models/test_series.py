"""Checkpoints of a series: one at a time, a broken one named while the others go on."""

import shutil

import pytest

from ingest.models.series import load_each
from warehouse.errors import ModelError, UsageError
from warehouse.progress import Progress


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def series(tmp_path, tiny_bert):
    for step in (0, 10, 20):
        shutil.copytree(tiny_bert, tmp_path / "series" / f"step{step}")
    return tmp_path / "series"


def test_all_are_those_there_are_by_step(series):
    loaded = [model.checkpoint.checkpoint for model in load_each(str(series), ["all"], device="cpu")]
    assert loaded == ["step0", "step10", "step20"]


def test_a_missing_and_a_broken_one_are_named_and_the_others_go_on(series):
    (series / "step10" / "model.safetensors").write_bytes(b"cut")
    progress, seen = Notes(), []
    with pytest.raises(ModelError, match="2 of 4 checkpoints .* step10, step15; what could is stored"):
        for model in load_each(str(series), ["step0", "step10", "step15", "step20"], progress, device="cpu"):
            seen.append(model.checkpoint.checkpoint)
    assert seen == ["step0", "step20"]
    assert [note.split()[0] for note in progress.notes] == ["step10", "step15"]


def test_one_that_is_missing_is_the_error_itself(series):
    with pytest.raises(UsageError, match="no checkpoint 'step15'; it has: step0, step10, step20"):
        list(load_each(str(series), ["step15"], device="cpu"))
