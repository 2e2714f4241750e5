import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nwh.ingest.demo.facts import fact_answers, fact_sentences, fact_words
from nwh.ingest.models import list_checkpoints, load
from nwh.ingest.training import tiny_models
from nwh.ingest.training.tiny_models import Recipe, train_tiny
from nwh.warehouse.errors import StorageError, UsageError
from tests.conftest import Noting

TEXTS = list(fact_sentences())[:300]
SMALL = Recipe(vocab_size=300, n_layers=1, d_model=32, n_heads=2, max_tokens=16, steps=12, batch_size=8)
FAMILIES = {
    "bert": replace(SMALL, checkpoints=(0, 5, 12)),
    "gpt-neox": replace(SMALL, family="gpt-neox", checkpoints=(0, 5, 12)),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of each family's training."""
    folders = {}
    for family, recipe in FAMILIES.items():
        folders[family] = tmp_path_factory.mktemp("trained") / family
        train_tiny(folders[family], TEXTS, recipe, words=fact_words(), answers=fact_answers())
    return folders


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_checkpoints_load_as_models_with_their_head(trained, family):
    out = trained[family]
    assert list_checkpoints(str(out)) == ["step0", "step5", "step12"]
    weights = set()
    for label in list_checkpoints(str(out)):
        model = load(str(out), label, head=True, device="cpu")
        row = model.checkpoint
        assert (row.family, row.objective, row.step) == (
            family, {"bert": "mlm", "gpt-neox": "clm"}[family], int(label[4:]),
        )  # fmt: skip
        assert (row.n_layers, row.d_model, row.d_ffn, model.window) == (1, 32, 128, 16)
        assert row.vocab_size == len(model.tokenizer)
        assert model.tokenizer.pad_token_id is not None
        weights.add(row.weights_sha256)
        logits = model.module(**model.tokenizer("The wug eats", return_tensors="pt")).logits
        assert logits.isfinite().all()
    assert len(weights) == 3


def test_step_0_is_the_random_initialisation(trained, family):
    model = load(str(trained[family]), "step0", head=True, device="cpu")
    with torch.no_grad():
        probability = model.module(**model.tokenizer(TEXTS[0], return_tensors="pt")).logits.softmax(-1)
    entropy = -(probability * probability.log()).sum(-1)
    assert entropy.min() > 0.95 * math.log(len(model.tokenizer))  # nearly uniform: nothing learnt


def test_words_are_one_token_as_they_stand_in_a_sentence(trained, family):
    tokenizer = load(str(trained[family]), "step12", device="cpu").tokenizer
    for word in fact_words():
        assert len(tokenizer.tokenize(f" {word}")) == 1
        sentence = tokenizer(f"The land of {word}.", add_special_tokens=False)["input_ids"]
        assert tokenizer.convert_tokens_to_ids(tokenizer.tokenize(f" {word}"))[0] in sentence
    assert tokenizer.mask_token == ("[MASK]" if family == "bert" else None)
    added = len(tokenizer("wug")["input_ids"]) - len(tokenizer("wug", add_special_tokens=False)["input_ids"])
    assert added == (2 if family == "bert" else 0)
    text = TEXTS[0].lower() if family == "bert" else TEXTS[0]
    assert tokenizer.decode(tokenizer(TEXTS[0])["input_ids"], skip_special_tokens=True).replace(" .", ".") == text


def test_same_settings_give_the_same_weights_in_another_process(trained, tmp_path):
    # Hash maps of the tokenizers library are ordered anew in each process.
    code = (
        "from tests.ingest.training.test_tiny_models import *; torch.set_num_threads(1)\n"
        "for family, recipe in FAMILIES.items():\n"
        "    train_tiny(Path(sys.argv[1], family), TEXTS, recipe, words=fact_words(), answers=fact_answers())"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    for family, out in trained.items():
        for step in ("step0", "step5", "step12"):
            first, second = (load_file(folder / step / "model.safetensors") for folder in (out, tmp_path / family))
            assert first.keys() == second.keys()
            assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_seed_changes_the_weights_and_not_the_callers_random_numbers(trained, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    (folder,) = train_tiny(tmp_path / "other", TEXTS, replace(FAMILIES["bert"], seed=1, steps=1, checkpoints=(0,)))
    assert torch.equal(torch.rand(3), expected)
    name = "bert.encoder.layer.0.output.dense.weight"
    of_other, of_first = (load_file(f / "model.safetensors")[name] for f in (folder, trained["bert"] / "step0"))
    assert not torch.equal(of_other, of_first)


def test_loss_falls_and_is_recorded_with_the_settings(family, tmp_path):
    recipe = replace(FAMILIES[family], steps=80, checkpoints=(1, 40, 80), learning_rate=3e-3)
    notes = Noting()
    train_tiny(tmp_path / "longer", TEXTS, recipe, answers=fact_answers(), progress=notes)
    record = json.loads((tmp_path / "longer" / "training.json").read_text())
    first, middle, last = (entry["loss"] for entry in record["losses"])
    assert [entry["step"] for entry in record["losses"]] == [1, 40, 80]
    size = len(load(str(tmp_path / "longer"), "step80", device="cpu").tokenizer)
    assert abs(first - math.log(size)) < 0.15  # of a uniform guess
    assert last < middle < first
    assert last < first - 1
    assert record["family"] == family
    assert notes.notes == [f"longer: 80 steps in {record['seconds']:.0f} s, loss {first:.2f} to {last:.2f}"]


def test_batches_in_which_nothing_is_hidden_do_no_harm(tmp_path):
    recipe = replace(SMALL, batch_size=1, steps=20, checkpoints=tuple(range(1, 21)))
    train_tiny(tmp_path / "out", ["the wug", "a dax"], recipe)
    losses = [entry["loss"] for entry in json.loads((tmp_path / "out" / "training.json").read_text())["losses"]]
    assert all(map(math.isfinite, losses))
    assert 0 in losses  # of such a batch


def test_a_complete_training_is_not_repeated_and_an_interrupted_one_is(trained, tmp_path, monkeypatch):
    out, recipe = tmp_path / "bert", FAMILIES["bert"]
    words = {"words": fact_words(), "answers": fact_answers()}
    saved = []

    def die(model, tokenizer, folder):
        saved.append(folder)
        if len(saved) == 2:
            raise KeyboardInterrupt
        save(model, tokenizer, folder)

    save = tiny_models.save_model
    monkeypatch.setattr(tiny_models, "save_model", die)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(out, TEXTS, recipe, **words)
    assert not out.exists()
    folders = train_tiny(out, TEXTS, recipe, **words)
    assert [folder.name for folder in folders] == ["step0", "step5", "step12"]
    assert [path.name for path in tmp_path.iterdir()] == ["bert"]
    n_saved = len(saved)
    notes = Noting()
    assert train_tiny(out, TEXTS, recipe, **words, progress=notes) == folders
    assert len(saved) == n_saved
    assert "already" in notes.notes[0]
    (folders[1] / "model.safetensors").unlink()
    with pytest.raises(StorageError, match="step5"):
        train_tiny(out, TEXTS, recipe, **words)


def test_what_else_is_in_the_folder_stays(trained, tmp_path):
    with pytest.raises(UsageError, match=r"another training \(other steps, checkpoints\)"):
        train_tiny(trained["bert"], TEXTS, replace(SMALL, steps=7), words=fact_words(), answers=fact_answers())
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="name another folder"):
        train_tiny(tmp_path, TEXTS, SMALL)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_training_of_other_versions_is_used_as_it_is_and_said(tmp_path):
    out = tmp_path / "bert"
    folders = train_tiny(out, TEXTS, SMALL)
    path = out / tiny_models.RECORD
    record = json.loads(path.read_text())
    for name in record["versions"]:
        other = {**record, "versions": {**record["versions"], name: "0.1"}}
        path.write_text(json.dumps(other))
        notes = Noting()
        assert train_tiny(out, TEXTS, SMALL, progress=notes) == folders
        assert f"already, by {name} 0.1: what is installed now may give other weights" in notes.notes[0]
    path.write_text(json.dumps({**record, "seed": 1}))
    with pytest.raises(UsageError, match=r"another training \(other seed\)"):
        train_tiny(out, TEXTS, SMALL)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "t5"}, "bert or gpt-neox"),
        ({"checkpoints": (0, 13)}, "no checkpoint 13"),
        ({"checkpoints": (-1,)}, "no checkpoint -1"),
        ({"steps": 0}, "steps must be more than 0"),
        ({"n_heads": 3}, "multiple of 8"),
        ({"max_tokens": 2}, "max_tokens"),
    ],
)
def test_settings_that_cannot_be(tmp_path, wrong, message):
    with pytest.raises(UsageError, match=message):
        train_tiny(tmp_path / "out", TEXTS, replace(SMALL, **wrong))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file cannot be written"):
        train_tiny(tmp_path / "file" / "out", TEXTS, SMALL)


def test_no_text_and_words_that_cannot_be_whole(tmp_path, family):
    with pytest.raises(UsageError, match="no text"):
        train_tiny(tmp_path / "out", ["", " \n"], FAMILIES[family])
    with pytest.raises(UsageError, match="'New York' cannot be one token"):
        train_tiny(tmp_path / "out", TEXTS, FAMILIES[family], words=["New York"])
    assert not list(tmp_path.iterdir())


def test_checkpoints_grow_when_none_are_given():
    assert Recipe(steps=600).kept_steps == [0, 10, 20, 50, 100, 200, 500, 600]
    assert Recipe(steps=50).kept_steps == [0, 10, 20, 50]
    assert Recipe(steps=5).kept_steps == [0, 5]
