"""What the neuron page and `nwh show neuron` ask, against rows taken from the stored relations one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.errors import StorageError, UsageError
from nwh.warehouse.names import step_of
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent

NEURON = Neuron("tiny", "step200", "ffn", 2, 11)
BOTH = ("one", "two")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, tiny_bert):
    """Two corpora; checkpoints step200 (both corpora), step1000 and main of one model."""
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document
    from tests.conftest import made_up_documents

    made = Warehouse.create(tmp_path_factory.mktemp("queries") / "warehouse")
    for seed, corpus in enumerate(BOTH):
        documents = [
            Document(str(document["id"]), str(document["text"]), [("author", str(document["author"]))])
            for document in made_up_documents(40, seed)
        ]
        ingest_corpus(made, corpus, corpus, lambda documents=documents: iter(documents))
    for checkpoint, corpora in {"main": ["one"], "step1000": ["one"], "step200": BOTH}.items():
        model = load(str(tiny_bert), name="tiny", device="cpu")
        model = replace(model, checkpoint=replace(model.checkpoint, checkpoint=checkpoint, step=step_of(checkpoint)))
        sites = ("hidden", "ffn") if checkpoint == "step200" else ("hidden",)
        ingest_activations(made, model, corpora, Settings(sites, k=15, sample=0))
    return made


def rows_of(warehouse, relation):
    return warehouse.scan(relation).filter(layer=2, neuron=11, site="ffn", checkpoint="step200").collect()


def test_extents_are_what_was_run_checkpoints_by_step(warehouse):
    assert queries.neurons.extents(warehouse) == [
        Extent("tiny", "step200", "hidden", 3, 16, BOTH),
        Extent("tiny", "step200", "ffn", 3, 24, BOTH),
        Extent("tiny", "step1000", "hidden", 3, 16, ("one",)),
        Extent("tiny", "main", "hidden", 3, 16, ("one",)),
    ]


@pytest.mark.parametrize("pole", ["top", "bottom"])
@pytest.mark.parametrize("corpora", [["one"], ["two"], BOTH])
def test_sentences_of_a_union_are_its_extremes(warehouse, pole, corpora):
    text = warehouse.scan("sentences").select("sentence_id", "doc_id", "text")
    kept = rows_of(warehouse, "neuron_topk").filter(pl.col("corpus").is_in(list(corpora)), pole=pole)
    kept = kept.join(text.collect(), on="sentence_id").sort(
        pl.col("activation") * (-1 if pole == "top" else 1), "sentence_id"
    )
    found = queries.neurons.sentences(warehouse, NEURON, corpora, pole, 9)
    assert [row["rank"] for row in found.records] == list(range(1, 10))
    assert [row[1:] for row in found.rows] == kept.select(found.columns[1:]).head(9).rows()


def test_histogram_bins_are_the_stored_ones(warehouse):
    stored = rows_of(warehouse, "neuron_stats").sort("corpus")
    found = pl.DataFrame(queries.neurons.histogram(warehouse, NEURON, BOTH).records)
    for row in stored.iter_rows(named=True):
        bins = found.filter(corpus=row["corpus"])
        assert bins["low"].to_list() == row["histogram_edges"][:-1]
        assert bins["high"].to_list() == row["histogram_edges"][1:]
        assert bins["sentences"].to_list() == row["histogram_counts"]
        assert bins["sentences"].sum() == row["n"]


def test_statistics_are_one_row_per_corpus(warehouse):
    found = queries.neurons.statistics(warehouse, NEURON, BOTH).records
    stored = rows_of(warehouse, "neuron_stats").sort("corpus").to_dicts()
    assert [row["corpus"] for row in found] == list(BOTH)
    for row, kept in zip(found, stored, strict=True):
        assert row["median"] == kept["quantiles"][kept["quantile_levels"].index(np.float32(0.5))]
        assert all(row[name] == kept[name] for name in row if name != "median")


def test_metadata_is_by_evidence_and_filtered(warehouse):
    every = queries.neurons.metadata(warehouse, NEURON, ["one"], 100).records
    top = rows_of(warehouse, "neuron_topk").filter(corpus="one", pole="top")
    authors = top.join(warehouse.scan("sentence_metadata").collect(), on="sentence_id")["value"].value_counts()
    assert {row["value"]: row["support"] for row in every} == dict(authors.iter_rows())
    assert [row["g2"] for row in every] == sorted((row["g2"] for row in every), reverse=True)
    lifted = queries.neurons.metadata(warehouse, NEURON, ["one"], 100, min_lift=1).records
    assert lifted == [row for row in every if row["lift"] > 1]
    likely = queries.neurons.metadata(warehouse, NEURON, ["one"], 100, max_q=0.5).records
    assert likely == [row for row in every if row["q_value"] <= 0.5]
    assert queries.neurons.metadata(warehouse, NEURON, ["one"], 1).records == every[:1]


def test_what_is_not_there_is_an_error_that_says_what_is(warehouse):
    with pytest.raises(UsageError, match="tiny@step200/ffn"):
        queries.neurons.extent_of(warehouse, Neuron("tiny", "main", "ffn", 0, 0))
    extent = queries.neurons.extent_of(warehouse, NEURON)
    extent.check(NEURON, BOTH)
    for layer, neuron in ((3, 0), (0, 24)):
        with pytest.raises(UsageError, match="layers 0 to 2 with neurons 0 to 23"):
            extent.check(Neuron("tiny", "step200", "ffn", layer, neuron))
    with pytest.raises(UsageError, match=r"'three'.*one, two"):
        extent.check(NEURON, ["one", "three"])


def test_many_sessions_share_a_warehouse(warehouse):
    """A connection of its own per query: shared ones hand one thread's rows to another."""
    neurons = [Neuron("tiny", "step200", "ffn", layer, neuron) for layer in range(3) for neuron in range(24)]

    def ask(neuron):
        return queries.neurons.sentences(warehouse, neuron, BOTH, "top", 3).rows

    alone = [ask(neuron) for neuron in neurons]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, neurons)) == alone


def test_a_missing_file_is_named(tmp_path, add_corpus):
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 5)
    assert queries.answers.ask(made, "select corpus from corpora").rows == [("one",)]
    for path in (tmp_path / "warehouse" / "corpora").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match="nwh verify"):
        queries.answers.ask(made, "select corpus from corpora")
