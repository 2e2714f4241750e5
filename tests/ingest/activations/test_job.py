"""Activations of a whole corpus against brute force: every activation kept, then sorted."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from nwh.ingest.activations import stream
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, ModelError, UsageError
from tests.conftest import copied

KEY = ["site", "layer", "neuron", "pole", "rank"]


@pytest.fixture
def model(tiny_bert):
    return load(str(tiny_bert), device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus):
    """Return the folder of a warehouse with a corpus, to be copied."""
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "warehouse")
    add_corpus(made, "one", 150)
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def brute_force(warehouse, model, corpus, how="mean", special_tokens=False):
    """Return sentence ids, and {(site, layer): [sentences, neurons]} from transformers' own hidden states.

    `ffn` is computed by hand from the block's weights; one sentence at a time.
    """
    rows = warehouse.sql("select sentence_id, text from sentences where corpus = $1 order by 1", [corpus]).fetchall()
    ids, values = [], {}
    for sentence_id, text in rows:
        encoded = model.tokenizer(text, truncation=True, max_length=model.window, return_special_tokens_mask=True)
        special = np.array(encoded["special_tokens_mask"])
        if (special == 0).sum() < 3:
            continue
        counted = np.ones_like(special) if special_tokens else 1 - special
        with torch.no_grad():
            hidden = model.base(torch.tensor([encoded["input_ids"]]), output_hidden_states=True).hidden_states
            for layer, block in enumerate(model.base.encoder.layer):
                attended = block.attention(hidden[layer])[0]
                inner = torch.nn.functional.gelu(block.intermediate.dense(attended))
                for site, tokens in (("hidden", hidden[layer + 1]), ("ffn", inner)):
                    chosen = tokens[0].numpy()[counted == 1]
                    value = {
                        "mean": chosen.mean(0),
                        "max": chosen.max(0),
                        "last": chosen[-1],
                        "cls": tokens[0, 0].numpy(),
                    }[how]
                    values.setdefault((site, layer), []).append(value)
        ids.append(sentence_id)
    return np.array(ids), {key: np.array(rows) for key, rows in values.items()}


@pytest.mark.parametrize(
    ("how", "special_tokens"), [("mean", False), ("mean", True), ("max", False), ("last", False), ("cls", False)]
)
def test_topk_equals_brute_force(warehouse, model, how, special_tokens):
    settings = Settings(k=20, aggregate=how, special_tokens=special_tokens, sample=30)
    ingest_activations(warehouse, model, ["one"], settings)
    ids, values = brute_force(warehouse, model, "one", how, special_tokens)
    stored = warehouse.sql("from neuron_topk").pl()
    assert stored.height == (3 * 16 + 3 * 24) * 2 * 20
    for (site, layer, neuron, pole), rows in stored.group_by("site", "layer", "neuron", "pole"):
        column = values[site, layer][:, neuron]
        rows = rows.sort("rank")
        assert rows["rank"].to_list() == list(range(1, 21))
        order = np.lexsort((ids, -column if pole == "top" else column))[:20]
        np.testing.assert_allclose(rows["activation"], column[order], rtol=1e-5, atol=5e-6)
        by_id = dict(zip(ids.tolist(), column.tolist(), strict=True))
        np.testing.assert_allclose(rows["activation"], [by_id[i] for i in rows["sentence_id"]], rtol=1e-5, atol=5e-6)
    assert stored["token_position"].is_null().all() == (how != "max")


def test_max_names_the_token(warehouse, model):
    ingest_activations(warehouse, model, ["one"], Settings(k=5, aggregate="max"))
    row = warehouse.sql(
        "select * from neuron_sentences "
        "where site = 'hidden' and layer = 1 and neuron = 3 and pole = 'top' and rank = 1"
    ).pl()
    encoded = model.tokenizer(row["text"][0], return_tensors="pt", truncation=True, max_length=model.window)
    with torch.no_grad():
        hidden = model.base(encoded["input_ids"], output_hidden_states=True).hidden_states[2][0, :, 3]
    assert row["token_position"][0] == int(hidden[1:-1].argmax()) + 1


def test_statistics_and_sample_equal_brute_force(warehouse, model):
    (run,) = ingest_activations(warehouse, model, ["one"], Settings(k=20, sample=30))
    ids, values = brute_force(warehouse, model, "one")
    _, of_tokens = brute_force(warehouse, model, "one", "max")
    for row in warehouse.sql("from neuron_stats").pl().iter_rows(named=True):
        column = values[row["site"], row["layer"]][:, row["neuron"]].astype(np.float64)
        assert row["n"] == len(ids)
        np.testing.assert_allclose([row["mean"], row["std"]], [column.mean(), column.std()], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose([row["min"], row["max"]], [column.min(), column.max()], rtol=1e-5, atol=5e-6)
        highest = of_tokens[row["site"], row["layer"]][:, row["neuron"]].max()
        assert row["max_token"] == pytest.approx(highest, rel=1e-5, abs=5e-6)
        assert row["share_positive"] == pytest.approx((column > 0).mean(), abs=0.02)
        exact = np.quantile(column, row["quantile_levels"], method="inverted_cdf")
        assert np.abs(exact - row["quantiles"]).max() <= row["resolution"] + 1e-5
        assert sum(row["histogram_counts"]) == len(ids)
    sample = warehouse.sql("from activation_sample").pl()
    assert sample["sentence_id"].n_unique() == 30
    place = {sentence_id: i for i, sentence_id in enumerate(ids.tolist())}
    for row in sample.iter_rows(named=True):
        want = values[row["site"], row["layer"]][place[row["sentence_id"]]]
        np.testing.assert_allclose(row["activations"], want, rtol=1e-5, atol=5e-6)
    too_short = warehouse.sql("select count(*) from sentences").fetchall()[0][0] - len(ids)
    assert too_short > 0
    assert any(note.startswith(f"{too_short} sentences of one have fewer than 3 tokens") for note in run.notes)
    assert any("truncated at the model's window" in note for note in run.notes)
    tokens = warehouse.sql("select sentence_id, n_tokens from sentence_tokens order by 1").fetchall()
    assert [sentence_id for sentence_id, _ in tokens] == ids.tolist()


def test_the_sample_is_the_same_for_every_checkpoint_and_follows_the_seed(warehouse, model, tmp_path):
    from tests.conftest import write_tiny_bert

    other = load(str(write_tiny_bert(tmp_path / "other", seed=1)), device="cpu")
    third = load(str(write_tiny_bert(tmp_path / "third", seed=2)), device="cpu")
    for which, seed in ((model, 0), (other, 0), (third, 1)):
        ingest_activations(warehouse, which, ["one"], Settings(("hidden",), k=3, sample=25, seed=seed))
    samples = [
        set(warehouse.sql("select sentence_id from activation_sample where model = $1", [name]).fetchall())
        for name in ("tiny-bert", "other", "third")
    ]
    assert samples[0] == samples[1] != samples[2]


def rows_of(warehouse):
    tables = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens"]
    return {name: warehouse.sql(f"from {name} order by all").pl() for name in tables}


def test_a_resumed_run_equals_an_uninterrupted_one(warehouse, stored, model, monkeypatch, tmp_path):
    monkeypatch.setattr(stream, "BLOCK", 50)
    whole = copied(stored, tmp_path / "whole")
    settings = Settings(k=40, aggregate="max", sample=30)
    ingest_activations(whole, model, ["one"], settings)

    real, calls = stream.CorpusTokens.read, []

    def read_until_interrupted(self, start, end):
        calls.append(start)
        if len(calls) in (3, 5):
            raise KeyboardInterrupt
        return real(self, start, end)

    monkeypatch.setattr(stream.CorpusTokens, "read", read_until_interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ingest_activations(warehouse, model, ["one"], settings, save_every=0)
        assert warehouse.sql("select count(*) from neuron_topk").fetchall() == [(0,)]
    (run,) = ingest_activations(warehouse, model, ["one"], settings, save_every=0)
    assert calls[:7] == [0, 50, 100, 100, 150, 150, 200]
    assert any(note.startswith("resumed run") for note in run.notes)
    for name, frame in rows_of(whole).items():
        assert frame.equals(rows_of(warehouse)[name]), name
    assert warehouse.storage.staged_places() == []


def test_a_partial_result_of_other_settings_is_not_used(warehouse, model, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 50)
    real = stream.CorpusTokens.read

    def fail_at_100(self, start, end):
        if start == 100:
            raise KeyboardInterrupt
        return real(self, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(stream.CorpusTokens, "read", fail_at_100)
        with pytest.raises(KeyboardInterrupt):
            ingest_activations(warehouse, model, ["one"], Settings(k=7), save_every=0)
    (run,) = ingest_activations(warehouse, model, ["one"], Settings(k=9))
    assert any("other settings, was discarded" in note for note in run.notes)
    assert warehouse.sql("select max(rank) from neuron_topk").fetchall() == [(9,)]


def test_what_is_stored_is_left_alone_unless_again_and_units_are_replaced_alone(warehouse, model, add_corpus):
    add_corpus(warehouse, "two", 60, seed=9)
    ingest_activations(warehouse, model, ["one", "two"], Settings(k=5))
    before = rows_of(warehouse)
    assert ingest_activations(warehouse, model, ["one", "two"], Settings(k=5)) == []
    assert len(ingest_activations(warehouse, model, ["one"], Settings(k=5), again=True)) == 1
    for name, frame in rows_of(warehouse).items():
        assert frame.equals(before[name]), name
    ingest_activations(warehouse, model, ["one"], Settings(("ffn",), k=3))
    sizes = warehouse.sql("select site, corpus, max(rank) from neuron_topk group by all order by all").fetchall()
    assert sizes == [("ffn", "one", 3), ("ffn", "two", 5), ("hidden", "one", 5), ("hidden", "two", 5)]
    assert ingest_activations(warehouse, model, ["one"], Settings(("hidden",), k=5)) == []


def test_k_above_the_corpus_ranks_every_sentence(warehouse, model):
    (run,) = ingest_activations(warehouse, model, ["one"], Settings(("hidden",), k=10_000))
    n = warehouse.sql("select max(n) from neuron_stats").fetchall()[0][0]
    assert warehouse.sql("select max(rank), count(*) // (3 * 16 * 2) from neuron_topk").fetchall() == [(n, n)]
    assert any("all are ranked" in note for note in run.notes)


def test_a_second_process_is_refused_naming_the_first_run(warehouse, model):
    unit = {"model": "tiny-bert", "checkpoint": "main", "corpus": "one"}
    site = {"model": "tiny-bert", "checkpoint": "main", "site": "ffn", "corpus": "one"}
    with warehouse.run("activations", unit, {}, locks=[site]) as first, pytest.raises(BusyError, match=first.run_id):
        ingest_activations(warehouse, model, ["one"], Settings(k=3))


def test_nan_is_refused_by_name_and_nothing_is_stored(warehouse, model):
    with torch.no_grad():
        model.base.encoder.layer[1].intermediate.dense.bias[5] = torch.nan
    with pytest.raises(ModelError, match=r"ffn/1/5 is nan for sentence \d+"):
        ingest_activations(warehouse, model, ["one"], Settings(k=3))
    assert warehouse.sql("select count(*) from neuron_stats").fetchall() == [(0,)]


def test_wrong_use_is_refused_before_any_work(warehouse, model, tmp_path):
    from tests.conftest import write_tiny_bert

    with pytest.raises(UsageError, match="no corpus 'three'.*there are one"):
        ingest_activations(warehouse, model, ["one", "three"], Settings(k=3))
    with pytest.raises(UsageError, match="site 'mlp'"):
        Settings(("mlp",))
    with pytest.raises(UsageError, match="aggregate 'median'"):
        ingest_activations(warehouse, model, ["one"], Settings(aggregate="median"))
    with pytest.raises(UsageError, match="at least 1"):
        Settings(k=0)
    ingest_activations(warehouse, model, ["one"], Settings(k=3))
    changed = load(str(write_tiny_bert(tmp_path / "x" / "tiny-bert", seed=5)), device="cpu")
    with pytest.raises(UsageError, match="other weights.*--as"):
        ingest_activations(warehouse, changed, ["one"], Settings(k=3))


def test_batch_size_changes_nothing_beyond_float_tolerance(warehouse, stored, model, monkeypatch, tmp_path):
    ingest_activations(warehouse, model, ["one"], Settings(k=10))
    single = copied(stored, tmp_path / "single")
    monkeypatch.setattr(stream, "TOKEN_BUDGET", {"cpu": 1})
    ingest_activations(single, model, ["one"], Settings(k=10))
    a, b = (w.sql("from neuron_topk").pl().sort(KEY) for w in (warehouse, single))
    np.testing.assert_allclose(a["activation"], b["activation"], rtol=1e-5, atol=5e-6)
    assert a.select(KEY).equals(b.select(KEY))
    assert isinstance(a, pl.DataFrame)
