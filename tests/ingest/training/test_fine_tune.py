"""Fine-tuning against a plain loop of torch and transformers, interrupted, repeated, refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, f1_score
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, BertModel

from nwh.ingest.models import load
from nwh.ingest.training import fine_tune as job
from nwh.ingest.training.classifier import Classifier, encode, epoch_batches, hits, pooling_of
from nwh.ingest.training.fine_tune import FineTuneSettings, fine_tune
from nwh.warehouse.errors import ModelError, StorageError, UsageError
from tests.conftest import copied
from tests.ingest.labelled_documents import TOPICS, documents, make
from tests.ingest.tiny_language_models import save_causal, save_t5

SETTINGS = FineTuneSettings("topic", "split", epochs=2, learning_rate=2e-3, batch_size=4, max_tokens=9, min_documents=5)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return the folder of a warehouse with a labelled corpus, to be copied."""
    place = tmp_path_factory.mktemp("stored") / "warehouse"
    make(place)
    return place


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.fixture(scope="module")
def still(tmp_path_factory, tiny_bert):
    """Return the tiny BERT without dropout of its own, whose training only the order decides."""
    folder = shutil.copytree(tiny_bert, tmp_path_factory.mktemp("models") / "still")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    )
    return load(str(folder), device="cpu")


@pytest.fixture
def model(tiny_bert):
    return load(str(tiny_bert), device="cpu")


def read_by_hand(several=False, tests=False):
    """Return texts and topics of the documents to train (test) on, in the order of the corpus."""
    found = []
    for document in documents(several=several)[:60]:
        values = [value for key, value in document.metadata if key == "topic"]
        if (("split", "Test") in document.metadata) == tests:
            found.append((document.text, values))
    return found


def record_of(warehouse):
    return json.loads(Path(warehouse.storage.uri, "models", "tuned", "classifier.json").read_text())


def head_of(folder):
    head = load_file(folder / "classifier.safetensors")
    return head["weight"], head["bias"]


def logits_by_hand(folder, texts, max_tokens=9):
    """Return [texts, labels] of a saved classifier, one text at a time, through transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        vectors = [
            bert(**tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")).last_hidden_state[0, 0]
            for text in texts
        ]
        return functional.linear(torch.stack(vectors), *head_of(folder))


def test_training_equals_a_plain_loop(warehouse, still):
    torch.manual_seed(7)
    run = fine_tune(warehouse, still, "one", "tuned", replace(SETTINGS, dropout=0.0))
    drawn = torch.rand(3)
    texts, values = zip(*read_by_hand(), strict=True)
    labels = sorted(TOPICS)
    targets = torch.tensor([labels.index(value) for (value,) in values])
    torch.manual_seed(0)
    first = Classifier(still, 3, 0.0)  # for the linear layer's first weights alone
    weight, bias = first.linear.weight.detach().requires_grad_(), first.linear.bias.detach().requires_grad_()
    source = still.checkpoint.source
    bert, tokenizer = BertModel.from_pretrained(source, add_pooling_layer=False).train(), still.tokenizer
    adam = torch.optim.Adam([*bert.parameters(), weight, bias], 2e-3)
    lengths, losses = np.array([len(text.ids) for text in encode(still, texts, 9)]), []
    assert lengths.max() == 9  # some are cut
    for epoch in range(2):
        of_epoch = []
        for chosen in epoch_batches(lengths, 4, 0, epoch):
            batch = [texts[i] for i in chosen]
            encoded = tokenizer(batch, truncation=True, max_length=9, padding=True, return_tensors="pt")
            logits = functional.linear(bert(**encoded).last_hidden_state[:, 0], weight, bias)
            loss = -logits.log_softmax(1)[range(len(chosen)), targets[chosen]].mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            of_epoch += [loss.item()] * len(chosen)
        losses.append(np.mean(of_epoch))
    folder = Path(warehouse.storage.uri, "models", "tuned")
    tuned = load(str(folder), device="cpu")
    untouched = BertModel.from_pretrained(source, add_pooling_layer=False).parameters()
    assert all(torch.equal(a, b) for a, b in zip(still.base.parameters(), untouched, strict=True))
    assert not still.base.training
    assert not any(parameter.requires_grad for parameter in still.base.parameters())
    for (name, want), got in zip(bert.named_parameters(), tuned.base.parameters(), strict=True):
        if not name.endswith("key.bias"):  # its gradient is rounding error: softmax does not see it
            torch.testing.assert_close(got, want.detach(), rtol=1e-3, atol=1e-4, msg=name)
    record = json.loads((folder / "classifier.json").read_text())
    assert record["losses"] == pytest.approx(losses, rel=1e-4)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(3))  # the caller's random numbers went on
    assert record["labels"] == labels
    assert any(note.startswith(f"mean loss by epoch: {record['losses'][0]:.4f}, ") for note in run.notes)


def test_the_folder_is_a_model_and_its_score_is_that_of_the_test_documents(warehouse, model, tmp_path):
    settings = replace(SETTINGS, epochs=7, learning_rate=5e-3, dropout=0.1)
    run = fine_tune(warehouse, model, "one", "tuned", settings, out=tmp_path / "tuned")
    folder = tmp_path / "tuned"
    texts, values = zip(*read_by_hand(tests=True), strict=True)
    labels = sorted(TOPICS)
    predicted = [labels[i] for i in logits_by_hand(folder, texts).argmax(1)]
    wanted = accuracy_score([value for (value,) in values], predicted)
    record = json.loads((folder / "classifier.json").read_text())
    assert record["accuracy"] == pytest.approx(wanted)
    assert record["losses"][-1] < record["losses"][0]
    assert record["documents"] == {"train": 45, "test": 15}
    assert f"accuracy on the test documents: {wanted:.4f}" in run.notes
    assert "1 values of topic have fewer than 5 documents and are no classes" in run.notes
    assert "2 documents have none of the classes and were left out" in run.notes
    assert "1 documents are neither train nor test by split and were left out" in run.notes
    row = warehouse.sql(
        "select model, checkpoint, source, family, n_layers, weights_sha256 from checkpoints"
    ).fetchall()
    tuned = load(str(folder), device="cpu").checkpoint
    assert row == [("tuned", "main", str(folder), "bert", 3, tuned.weights_sha256)]
    assert tuned.weights_sha256 != model.checkpoint.weights_sha256
    job_row = warehouse.sql("select job, unit, settings ->> 'learning_rate' from runs order by started_at").fetchall()
    assert job_row[-1] == ("fine-tune", "model=tuned/checkpoint=main", "0.005")
    assert fine_tune(warehouse, model, "one", "tuned", settings, out=folder) is None


def test_several_labels_are_scored_by_micro_f1(tmp_path, model):
    warehouse = make(tmp_path / "warehouse", several=True)
    run = fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, epochs=1))
    folder = tmp_path / "warehouse" / "models" / "tuned"
    texts, values = zip(*read_by_hand(several=True, tests=True), strict=True)
    labels = sorted(TOPICS)
    wanted = np.array([[label in of_text for label in labels] for of_text in values])
    assert (wanted.sum(1) == 2).any()
    predicted = logits_by_hand(folder, texts).sigmoid().numpy() > 0.5
    record = json.loads((folder / "classifier.json").read_text())
    assert record["micro_f1"] == pytest.approx(f1_score(wanted, predicted, average="micro", zero_division=0))
    assert any("(sigmoid per label, documents have several)" in note for note in run.notes)


def test_scores_add_up_to_those_of_scikit_learn():
    random = torch.Generator().manual_seed(2)
    logits, several = torch.randn(50, 4, generator=random), (torch.rand(50, 4, generator=random) > 0.6).float()
    one = several.argmax(1)
    for targets, wanted in (
        (one, accuracy_score(one, logits.argmax(1))),
        (several, f1_score(several, logits > 0, average="micro")),
    ):
        found = [hits(logits[part], targets[part]) for part in (slice(0, 20), slice(20, 50))]
        right, asked = np.sum(found, axis=0)
        assert right / asked == pytest.approx(wanted)


def test_a_resumed_training_ends_in_the_same_weights(warehouse, model, tmp_path, monkeypatch):
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    monkeypatch.setattr(job, "SAVE_EVERY", 5)
    fine_tune(whole, model, "one", "tuned", SETTINGS)
    real, steps = job.Training.step, []

    def step_until_interrupted(self, *arguments):
        steps.append(len(steps))
        if len(steps) in (4, 11, 20):  # before anything is saved, in the first epoch, in the second
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(job.Training, "step", step_until_interrupted)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                fine_tune(warehouse, model, "one", "tuned", SETTINGS)
            assert warehouse.sql("select count(*) from checkpoints").fetchall() == [(0,)]
            torch.manual_seed(len(steps))  # another process has drawn other numbers
        run = fine_tune(warehouse, model, "one", "tuned", SETTINGS)
    assert "at step 12 of 24" in next(note for note in run.notes if note.startswith("resumed run"))
    for name in ("model.safetensors", "classifier.safetensors"):
        a, b = (load_file(f"{w.storage.uri}/models/tuned/{name}") for w in (whole, warehouse))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert record_of(whole)["losses"] == record_of(warehouse)["losses"]
    assert warehouse.storage.staged_places() == []


def test_a_run_that_died_before_its_commit_takes_over_the_folder(warehouse, model, monkeypatch):
    def die(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "write_checkpoint", die)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(warehouse, model, "one", "tuned", SETTINGS)
    monkeypatch.setattr(job.Training, "step", die)
    run = fine_tune(warehouse, model, "one", "tuned", SETTINGS)
    assert warehouse.sql("select model from checkpoints").fetchall() == [("tuned",)]
    assert any(note.startswith("accuracy on the test") for note in run.notes)


@pytest.mark.parametrize("family", ["causal", "t5"])
def test_models_without_a_cls_token(tmp_path, family, warehouse):
    save = {"causal": save_causal, "t5": save_t5}[family]
    model = load(str(save(tmp_path / family)), device="cpu")
    assert pooling_of(model) == {"causal": "last", "t5": "mean"}[family]
    texts = ["the capital of france is old", "we see", "what lies in the big city of rome"]
    torch.manual_seed(0)
    classifier = Classifier(model, 2, 0.5).eval()
    with torch.no_grad():
        found = classifier(encode(model, texts, 64))
        plain = AutoModel.from_pretrained(model.checkpoint.source).eval()
        for text, logits in zip(texts, found, strict=True):
            ids = model.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
            tokens = (plain.encoder if family == "t5" else plain)(**ids).last_hidden_state[0]
            vector = tokens[-1] if family == "causal" else tokens[:-1].mean(0)  # T5 ends with </s>
            torch.testing.assert_close(logits, classifier.linear(vector), rtol=1e-4, atol=1e-5)
    fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, epochs=1))
    tuned = load(f"{warehouse.storage.uri}/models/tuned", device="cpu").checkpoint
    assert tuned.family == model.checkpoint.family


def test_names_and_folders_that_are_taken(warehouse, model, tmp_path):
    with pytest.raises(UsageError, match="no metadata key 'genre'"):
        fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, label="genre"))
    with pytest.raises(UsageError, match="no corpus 'two'"):
        fine_tune(warehouse, model, "two", "tuned", SETTINGS)
    with pytest.raises(UsageError, match="--epochs must be at least 1"):
        replace(SETTINGS, epochs=0)
    with pytest.raises(UsageError, match="--dropout"):
        replace(SETTINGS, dropout=1.0)
    with pytest.raises(UsageError, match="is there and holds something else"):
        fine_tune(warehouse, model, "one", "tuned", SETTINGS, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--out"):
        fine_tune(warehouse, model, "one", "tuned", SETTINGS, out=tmp_path / "file" / "tuned")
    fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, epochs=1))
    with pytest.raises(UsageError, match=r"trained otherwise \(epochs differ\).*--as"):
        fine_tune(warehouse, model, "one", "tuned", SETTINGS)
    shutil.rmtree(f"{warehouse.storage.uri}/models/tuned")
    with pytest.raises(StorageError, match="is gone"):
        fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, epochs=1))
    from nwh.ingest.activations.job import Settings, ingest_activations

    ingest_activations(warehouse, model, ["one"], Settings(("hidden",), k=3, sample=3))
    with pytest.raises(UsageError, match="tiny-bert is stored already, from .*--as"):
        fine_tune(warehouse, model, "one", "tiny-bert", SETTINGS)


def test_nan_is_refused(warehouse, model):
    with pytest.raises(ModelError, match="loss is (nan|inf).*--learning-rate"):
        fine_tune(warehouse, model, "one", "tuned", replace(SETTINGS, learning_rate=1e30, epochs=5))
    assert not list(Path(warehouse.storage.uri, "models").iterdir())


def test_an_epoch_has_every_text_once_in_batches_of_like_lengths():
    lengths = np.random.default_rng(1).integers(1, 50, 203)
    batches = epoch_batches(lengths, 8, seed=3, epoch=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(203))
    assert len(batches) == 26
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in epoch_batches(lengths, 8, 3, 1)]
    others = [epoch_batches(lengths, 8, *other) for other in ((3, 2), (4, 1))]
    assert all(other[0].tolist() != batches[0].tolist() for other in others)
    assert sum(lengths[b].max() * len(b) for b in batches) < 1.2 * lengths.sum()
