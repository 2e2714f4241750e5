"""Live activations come from the weights whose activations are stored, or not at all."""

from __future__ import annotations

import shutil

import pytest
import torch

from nwh.ingest.activations import live_activations
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.text_activations import activations_at_tokens
from nwh.ingest.models import load
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError
from nwh.warehouse.neuron import Neuron
from tests.ingest.models.conftest import BY_NAME, save_model, save_tokenizer

NEURON = Neuron("tiny", "main", "ffn", 1, 3)
TEXT = "word1 word2 word3 word4"


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "tiny", BY_NAME["bert-gelu"].config, BY_NAME["bert-gelu"].head)
    save_tokenizer(tmp_path / "tiny")
    return tmp_path / "tiny"


def ingested(tmp_path, folder, **options):
    warehouse = Warehouse.create(tmp_path / "warehouse")
    ingest_corpus(warehouse, "c", "lines", lambda: iter([Document("a", TEXT), Document("b", "word5 word6 word7")]))
    ingest_activations(warehouse, load(str(folder), device="cpu", **options), ["c"], Settings(k=2))
    return warehouse


def test_other_weights_in_the_same_place_are_refused(tmp_path, folder):
    warehouse = ingested(tmp_path, folder)
    assert live_activations.token_activations(warehouse, NEURON, [TEXT])
    live_activations._load.cache_clear()
    shutil.rmtree(folder)
    save_model(folder, BY_NAME["bert-gelu"].config, BY_NAME["bert-gelu"].head, seed=1)
    save_tokenizer(folder)
    for asked in (
        lambda: live_activations.token_activations(warehouse, NEURON, [TEXT]),
        lambda: live_activations.text_activations(warehouse, "tiny", "main", "ffn", TEXT, "mean", False),
        lambda: live_activations.output_tokens(warehouse, NEURON, 2),
    ):
        with pytest.raises(ModelError, match=r"/tiny has other weights now than .* stored as tiny@main: .*--as NAME"):
            asked()


def test_what_was_allowed_and_chosen_when_it_was_ingested_holds(tmp_path, folder):
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    warehouse = ingested(tmp_path, folder, allow_pickle=True, dtype="bfloat16")
    (found,) = live_activations.token_activations(warehouse, NEURON, [TEXT])
    model = load(str(folder), device="cpu", allow_pickle=True, dtype="bfloat16")
    assert found == activations_at_tokens(model, NEURON, [TEXT])[0]
    single = load(str(folder), device="cpu", allow_pickle=True)
    assert found != activations_at_tokens(single, NEURON, [TEXT])[0]


def test_a_model_of_the_hub_is_not_downloaded_unless_asked_for(tmp_path, folder, monkeypatch):
    warehouse = ingested(tmp_path, folder)
    with warehouse.run("test", {}, {}) as run:
        model = load(str(folder), device="cpu").checkpoint
        values = {**vars(model), "source": "lab/tiny", "revision": "b" * 40, "hidden_hooks": None, "ffn_hooks": None}
        names = {name: values.pop(name) for name in ("model", "checkpoint")}
        run.write("checkpoints", names, {name: [value] for name, value in values.items()})
    asked = []

    def fetch(*file):
        asked.append(file)
        raise ModelError("no network")

    monkeypatch.setattr("nwh.ingest.models.hub.fetch", fetch)
    with pytest.raises(ModelError, match=r"tiny@main \(lab/tiny\) is on the hub .* `nwh show tokens tiny@main/"):
        live_activations.token_activations(warehouse, NEURON, [TEXT])
    assert not asked
    with pytest.raises(ModelError, match="no network"):
        live_activations.token_activations(warehouse, NEURON, [TEXT], download=True)
    assert asked == [("lab/tiny", "b" * 40, "config.json")]
