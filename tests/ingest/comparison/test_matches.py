"""Partners of neurons against numpy's full correlation matrix over the same stored samples."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest
import torch

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.comparison import correlation
from nwh.ingest.comparison import matches as job
from nwh.ingest.comparison.correlation import best_partners, centre, orthogonal, partners_by_layer, scale
from nwh.ingest.comparison.matches import ingest_matches
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from tests.conftest import copied, made_up_documents, write_tiny_bert

LAYERS, DEAD = 3, 15


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert):
    """Return the folder of a warehouse with two models over corpora one and two, one of them over three alone.

    hidden/2/15 of both is constant; layer 1 of the second model only repeats its layer 0.
    """
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document

    folder = tmp_path_factory.mktemp("matches")
    warehouse = Warehouse.create(folder / "warehouse")
    for corpus, n, seed in (("one", 60, 1), ("two", 30, 2), ("three", 20, 3)):
        documents = [Document(str(d["id"]), str(d["text"]), ()) for d in made_up_documents(n, seed)]
        ingest_corpus(warehouse, corpus, "made up", lambda documents=documents: iter(documents))
    models = [load(str(tiny_bert), device="cpu"), load(str(write_tiny_bert(folder / "second", 1)), device="cpu")]
    with torch.no_grad():
        for model in models:
            model.base.encoder.layer[2].output.LayerNorm.weight[DEAD] = 0
        for parameter in (*repeated_block(models[1]).parameters(),):
            parameter.zero_()
        for norm in (repeated_block(models[1]).attention.output.LayerNorm, repeated_block(models[1]).output.LayerNorm):
            norm.weight.fill_(1)
    settings = Settings(("hidden",), k=10, sample=50)
    ingest_activations(warehouse, models[0], ["one", "two", "three"], settings)
    ingest_activations(warehouse, models[1], ["one", "two"], Settings(("hidden", "ffn"), k=10, sample=50))
    return folder / "warehouse"


def repeated_block(model):
    return model.base.encoder.layer[1]


@pytest.fixture(scope="module")
def opened(stored):
    return Warehouse.open(stored)


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def sample(warehouse, model, corpora):
    """Return [layers, neurons, sentences]."""
    rows = (
        warehouse.scan("activation_sample")
        .filter(pl.col("model") == model, pl.col("site") == "hidden", pl.col("corpus").is_in(corpora))
        .sort("layer", "sentence_id")
        .collect()
    )
    values = np.array(rows["activations"].to_list(), np.float64)
    return values.reshape(LAYERS, -1, values.shape[1]).transpose(0, 2, 1)


def correlations(before, after):
    """Return numpy's matrix, the rows and columns of constant neurons NaN."""
    with np.errstate(invalid="ignore"):
        return np.corrcoef(before, after)[: len(before), len(before) :]


@pytest.mark.parametrize("corpora", [["one", "two"], ["two"]])
def test_partners_equal_the_full_matrix(warehouse, corpora):
    named = [] if len(corpora) == 2 else corpora
    (run,) = ingest_matches(warehouse, "tiny-bert", "second", corpora=named, sites=["hidden"], seed=4)
    assert "no partner" in run.notes[-1]
    found = warehouse.sql("from neuron_matches order by layer, neuron").pl()
    before, after = (sample(warehouse, model, corpora) for model in ("tiny-bert", "second"))
    assert found["scope"].unique().to_list() == ["+".join(sorted(corpora))]
    assert found["n_sentences"].unique().to_list() == [before.shape[2]]
    assert found.height == LAYERS * 16
    full = correlations(before.reshape(-1, before.shape[2]), after.reshape(-1, after.shape[2]))
    full[:, DEAD + 2 * 16] = np.nan
    full[DEAD + 2 * 16] = np.nan
    rotated = np.concatenate(
        [
            correlations(before.reshape(-1, before.shape[2]), (after[layer].T @ orthogonal(16, [4, layer])).T)
            for layer in range(LAYERS)
        ],
        axis=1,
    )
    for row in found.iter_rows(named=True):
        neuron = row["layer"] * 16 + row["neuron"]
        if neuron == DEAD + 2 * 16:
            partner = [row[name] for name in ("other_layer", "other_neuron", "correlation", "rotated_correlation")]
            assert partner == [None] * 4
            continue
        highest = np.nanmax(full[neuron])
        wanted = int(np.flatnonzero(full[neuron] >= highest - 1e-6)[0])
        assert row["other_layer"] * 16 + row["other_neuron"] == wanted
        assert row["correlation"] == pytest.approx(highest, abs=2e-6)
        assert row["rotated_correlation"] == pytest.approx(rotated[neuron].max(), abs=2e-6)
    assert set(found["other_layer"].drop_nulls()) == {0, 2}  # layer 1 ties with layer 0 throughout


def test_activations_taken_in_different_ways_are_matched_with_a_note(warehouse, tiny_bert):
    model = load(str(tiny_bert), device="cpu", name="by-max")
    ingest_activations(warehouse, model, ["one"], Settings(("hidden",), k=10, sample=50, aggregate="max"))
    (run,) = ingest_matches(warehouse, "tiny-bert", "by-max", sites=["hidden"])
    assert (
        "activations of sentences are not alike, that of a sentence's tokens is taken as mean for one of "
        "tiny-bert@main; max for one of by-max@main"
    ) in run.notes


def test_the_other_way_round_is_another_run_and_a_neuron_is_its_own_best_partner(warehouse, tmp_path):
    ingest_matches(warehouse, "tiny-bert", "second")
    ingest_matches(warehouse, "second@main", "tiny-bert")
    counts = warehouse.sql("select model, other_model, count(*) from neuron_matches group by all order by all")
    assert counts.fetchall() == [("second", "tiny-bert", 48), ("tiny-bert", "second", 48)]
    twin = load(str(write_tiny_bert(tmp_path / "twin", 1)), device="cpu")
    ingest_activations(warehouse, twin, ["one"], Settings(("ffn",), k=10, sample=50))
    write_tiny_bert(tmp_path / "copy", 1)
    copy = load(str(tmp_path / "copy"), device="cpu")
    ingest_activations(warehouse, copy, ["one"], Settings(("ffn",), k=10, sample=50))
    (run,) = ingest_matches(warehouse, "twin", "copy")
    assert run.notes == ["twin@main/ffn and copy@main/ffn have the same weights: every match is itself"]
    rows = warehouse.sql(
        "select count(*), count(*) filter (where layer = other_layer and neuron = other_neuron), min(correlation), "
        "max(correlation), max(rotated_correlation) from neuron_matches where site = 'ffn'"
    ).fetchall()
    n, same, lowest, highest, rotated = rows[0]
    assert n == same == LAYERS * 24
    assert lowest == pytest.approx(1, abs=1e-6)
    assert highest <= 1
    assert rotated < 0.999


def test_running_again_changes_nothing_and_an_interrupted_run_goes_on(warehouse, monkeypatch):
    query = "from neuron_matches order by layer, neuron"
    ingest_matches(warehouse, "tiny-bert", "second")
    rows = warehouse.sql(query).fetchall()
    assert ingest_matches(warehouse, "tiny-bert", "second") == []
    assert ingest_matches(warehouse, "tiny-bert", "second", seed=1) != []
    assert warehouse.sql(query).fetchall() != rows  # another basis
    read = job.read_activations

    def fail_at_the_last_layer(warehouse, scope, layer, ids):
        if (scope.model, layer) == ("second", 2):
            raise KeyboardInterrupt
        return read(warehouse, scope, layer, ids)

    monkeypatch.setattr(job, "read_activations", fail_at_the_last_layer)
    with pytest.raises(KeyboardInterrupt):
        ingest_matches(warehouse, "tiny-bert", "second")
    again = []

    def note(warehouse, scope, layer, ids):
        again.append((scope.model, layer))
        return read(warehouse, scope, layer, ids)

    monkeypatch.setattr(job, "read_activations", note)
    (run,) = ingest_matches(warehouse, "tiny-bert", "second")
    assert run.notes[0].endswith("at 2 of 3")
    assert [layer for model, layer in again if model == "second"] == [2]
    assert warehouse.sql(query).fetchall() == rows


@pytest.mark.parametrize(
    ("before", "after", "options", "message"),
    [
        ("tiny-bert", "tiny-bert@main", {}, "both tiny-bert@main"),
        ("tiny-bert", "third", {}, "no activations of model 'third'"),
        ("tiny-bert@step9", "second", {}, "no checkpoint tiny-bert@step9"),
        ("tiny-bert@all", "second", {}, "name one"),
        ("tiny-bert", "second", {"corpora": ["three"]}, "ingest activations --corpus three"),
        ("tiny-bert", "second", {"sites": ["ffn"]}, "no ffn activations of tiny-bert@main"),
    ],
)
def test_wrong_use_is_refused(opened, before, after, options, message):
    with pytest.raises(UsageError, match=message):
        ingest_matches(opened, before, after, **options)
    assert opened.sql("select count(*) from neuron_matches").fetchall() == [(0,)]


def test_a_common_sample_of_two_sentences_is_too_small(warehouse, tiny_bert):
    other = load(str(tiny_bert), name="elsewhere", device="cpu")
    ingest_activations(warehouse, other, ["one"], Settings(("hidden",), k=10, sample=2))
    with pytest.raises(UsageError, match="have 2 sampled sentences of one in common.*activations --sample 1000"):
        ingest_matches(warehouse, "tiny-bert", "elsewhere")


def test_tiles_give_the_first_of_equals_and_never_a_constant_one(monkeypatch):
    monkeypatch.setattr(correlation, "TILE", 4)
    rng = np.random.default_rng(0)
    neurons, others = (rng.standard_normal((n, 200)).astype(np.float32) * 50 + 1000 for n in (9, 11))
    neurons[3] = 7.1
    others[6] = -0.3
    others[10] = others[2]  # in another tile
    others[1] = others[0]  # in the same
    wanted = correlations(neurons.astype(np.float64), others.astype(np.float64))
    wanted[:, 6] = -2
    for matrix in (neurons, others):
        centre(matrix)
        scale(matrix)
    best, highest = best_partners(neurons, others)
    np.testing.assert_array_equal(np.delete(best, 3), np.delete(wanted, 3, 0).argmax(axis=1))
    np.testing.assert_allclose(np.delete(highest, 3), np.delete(wanted, 3, 0).max(axis=1), atol=1e-6)
    assert (best[3], highest[3]) == (-1, -np.inf)
    assert {0, 2} <= set(best_partners(others, others)[0])
    assert best_partners(others, others)[0][[1, 6, 10]].tolist() == [0, -1, 2]
    nobody = best_partners(neurons, np.zeros((5, 200), np.float32))
    assert set(nobody[0]) == {-1}
    assert set(nobody[1]) == {-np.inf}


def test_random_bases_are_orthogonal_and_drawn_by_their_seed():
    q = orthogonal(40, [0, 1])
    np.testing.assert_allclose(q @ q.T, np.eye(40), atol=1e-5)
    # with these signs, and no others, the Gaussian matrix is Q times a triangle with a positive diagonal
    triangle = q.T @ np.random.default_rng([0, 1]).standard_normal((40, 40), np.float32)
    np.testing.assert_allclose(triangle, np.triu(triangle), atol=1e-5)
    assert (np.diagonal(triangle) > 0).all()
    np.testing.assert_array_equal(q, orthogonal(40, [0, 1]))
    assert np.abs(q - orthogonal(40, [0, 2])).max() > 0.1


def test_memory_is_that_of_a_few_layers(monkeypatch):
    monkeypatch.setattr(correlation, "TILE", 32)
    width, n_layers, n_sentences = 200, 10, 60

    def read(layer):
        return np.random.default_rng(layer).standard_normal((width, n_sentences), np.float32)

    tracemalloc.start()
    found = [partners.neuron for _, partners in partners_by_layer(read, range(n_layers), read, range(n_layers), 0)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    of_same_layer = np.stack(found).reshape(n_layers, n_layers, width).diagonal().T
    np.testing.assert_array_equal(of_same_layer, np.tile(np.arange(width), (n_layers, 1)))
    of_layer, basis = 4 * width * n_sentences, 4 * width * width
    assert peak < 8 * of_layer + 4 * basis + 500_000 < 4 * (n_layers * width) ** 2 / 10
