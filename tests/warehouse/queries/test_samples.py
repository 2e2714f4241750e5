"""Sentences of every strength, context, percentiles, likeness and concepts, against numpy and rows taken one by one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from tests.sql.knowledge_rows import STEPS, Rows

NEURON = Neuron("tiny", "main", "ffn", 2, 11)
BOTH = ("one", "two")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, tiny_bert):
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document
    from tests.conftest import made_up_documents

    made = Warehouse.create(tmp_path_factory.mktemp("samples") / "warehouse")
    for seed, corpus in enumerate(BOTH):
        documents = [Document(str(each["id"]), str(each["text"])) for each in made_up_documents(60, seed)]
        ingest_corpus(made, corpus, corpus, lambda documents=documents: iter(documents))
    ingest_activations(made, load(str(tiny_bert), name="tiny", device="cpu"), BOTH, Settings(("ffn",), k=15, sample=50))
    return made


@pytest.fixture(scope="module")
def sample(warehouse):
    """Return sentence_id -> activations of layer 2, the neuron's lowest first."""
    rows = warehouse.scan("activation_sample").filter(layer=2).select("sentence_id", "activations").collect().rows()
    return dict(sorted(rows, key=lambda row: (row[1][NEURON.neuron], row[0])))


@pytest.mark.parametrize("k", [2, 1000])
def test_sentences_lie_between_the_quantiles_they_are_said_to(warehouse, sample, k):
    found = queries.samples.by_quantile(warehouse, NEURON, BOTH, k).records
    ids, values = list(sample), [activations[NEURON.neuron] for activations in sample.values()]
    texts = dict(warehouse.scan("sentences").select("sentence_id", "text").collect().rows())
    n = len(ids)
    assert n == 100
    bounds = [*queries.samples.INTERVALS, queries.samples.RANDOM]
    assert {(row["low"], row["high"]) for row in found} == set(bounds)
    for low, high in bounds:
        rows = [row for row in found if (row["low"], row["high"]) == (low, high)]
        inside = range(round(low * n), round(high * n))
        assert len(rows) == min(k, len(inside))
        assert {(row["n"], row["lowest"], row["highest"]) for row in rows} == {
            (len(inside), values[inside[0]], values[inside[-1]])
        }
        assert {ids.index(row["sentence_id"]) for row in rows} <= set(inside)
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert [row["activation"] for row in rows] == sorted((row["activation"] for row in rows), reverse=True)
        assert all(row["activation"] == values[ids.index(row["sentence_id"])] for row in rows)
        assert all(row["text"] == texts[row["sentence_id"]] for row in rows)
    assert found == queries.samples.by_quantile(warehouse, NEURON, BOTH, k).records
    assert queries.samples.by_quantile(warehouse, NEURON, [], k).rows == []


def test_context_is_of_the_same_document(warehouse):
    stored = warehouse.scan("sentences").collect()
    place = {(row["corpus"], row["doc_id"], row["position"]): row["text"] for row in stored.to_dicts()}
    shown = stored.filter(pl.col("corpus") == "two").head(30).to_dicts()
    found = queries.neurons.context(warehouse, BOTH, [row["sentence_id"] for row in shown])
    want = {
        (row["sentence_id"], side, place[key])
        for row in shown
        for side, by in (("before", -1), ("after", 1))
        if (key := (row["corpus"], row["doc_id"], row["position"] + by)) in place
    }
    assert len(want) > 20
    assert set(found.rows) == want
    assert len(found.rows) == len(want)


def test_standing_is_within_a_bin_of_the_truth(warehouse, sample):
    rows = warehouse.scan("neuron_stats").filter(layer=2, neuron=11).collect().sort("corpus").to_dicts()
    for activation in (rows[0]["min"] - 1, rows[0]["quantiles"][3], rows[0]["max"] + 1):
        found = queries.neurons.percentile_of(warehouse, NEURON, BOTH, activation).records
        for row, kept in zip(found, rows, strict=True):
            assert row["z"] == pytest.approx((activation - kept["mean"]) / kept["std"])
            edges, counts = np.array(kept["histogram_edges"]), np.array(kept["histogram_counts"])
            want = np.interp(activation, edges, np.concatenate([[0], counts.cumsum()]) / counts.sum())
            assert row["share_below"] == pytest.approx(want, abs=1e-6)
    low, middle, high = (
        queries.neurons.percentile_of(warehouse, NEURON, ["one"], value).records[0]["share_below"]
        for value in (rows[0]["min"], rows[0]["quantiles"][3], rows[0]["max"])
    )
    assert (low, high) == (0, 1)
    assert middle == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("corpora", [BOTH, ("two",)])
def test_similar_neurons_are_those_of_highest_correlation(warehouse, corpora):
    stored = warehouse.scan("activation_sample").filter(pl.col("corpus").is_in(corpora)).sort("sentence_id").collect()
    layers = {layer: np.array(rows["activations"].to_list()).T for (layer,), rows in stored.group_by("layer")}
    found = queries.samples.similar(warehouse, NEURON, corpora, 7, NEURON.site).records
    vectors = np.concatenate([layers[layer] for layer in sorted(layers)])  # [layers * neurons, sentences]
    correlations = np.corrcoef(vectors)[2 * 24 + 11]
    best = [(int(i) // 24, int(i) % 24) for i in np.argsort(-correlations)[1:8]]
    assert [(row["layer"], row["neuron"]) for row in found] == best
    assert [row["correlation"] for row in found] == pytest.approx(sorted(correlations)[-2:-9:-1])
    assert {row["n_sentences"] for row in found} == {50 * len(corpora)}
    assert len(queries.samples.similar(warehouse, NEURON, corpora, 1000, NEURON.site).rows) == 3 * 24 - 1


def test_concepts_of_a_neuron_are_those_of_the_view(tmp_path):
    made = Rows().write(tmp_path / "warehouse")
    every = made.sql(
        "select model, layer, neuron, dataset, concept, checkpoint, attribution from knowledge_neurons"
    ).fetchall()
    order = ["step0", "step9", "step20", "step100", "main"]
    assert set(order) == set(STEPS["bert"])
    for layer, neuron in ((0, 0), (2, 3)):
        found = queries.knowledge.concepts_of(made, Neuron("bert", "step9", "ffn", layer, neuron)).records
        want = [row[3:] for row in every if row[:3] == ("bert", layer, neuron)]
        names = ("dataset", "concept", "checkpoint", "attribution")
        assert sorted(tuple(row[name] for name in names) for row in found) == sorted(want)
        assert found
        steps = [order.index(row["checkpoint"]) for row in found]
        assert steps == sorted(steps)
    assert queries.knowledge.concepts_of(made, Neuron("bert", "main", "hidden", 0, 0)).rows == []
