"""`nwh ingest clusters | matches | distances | fine-tune` from the command line: options reach the library."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from tests.conftest import copied, write_tiny_bert


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert, add_corpus):
    """Return the folder of a warehouse with activations of two models over two corpora; the second's of hidden alone.

    Of corpus `two`, so that it is not all there is.
    """
    folder = tmp_path_factory.mktemp("comparison")
    warehouse = Warehouse.create(folder / "warehouse")
    add_corpus(warehouse, "one", 60)
    add_corpus(warehouse, "two", 30, seed=1)
    models = [load(str(tiny_bert), device="cpu"), load(str(write_tiny_bert(folder / "second", 1)), device="cpu")]
    for model, sites in zip(models, (("hidden", "ffn"), ("hidden",)), strict=True):
        ingest_activations(warehouse, model, ["one", "two"], Settings(sites, k=10, sample=50))
    return folder / "warehouse"


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.fixture
def nwh(warehouse):
    def run(*arguments):
        done = CliRunner().invoke(app, ["--warehouse", warehouse.storage.uri, "--quiet", "ingest", *arguments])
        if done.exception:
            raise done.exception
        assert done.stdout == ""
        warehouse.refresh()

    return run


def test_clusters(warehouse, nwh, stored, tmp_path):
    nwh(
        "clusters", "--model", "tiny-bert", "--corpus", "one", "--site", "hidden", "--k", "1,3", "--k", "8",
        "--per-neuron", "2", "--sentences", "40", "--groups", "4",
    )  # fmt: skip
    by_library = copied(stored, tmp_path / "by-library")
    settings = ClusterSettings(k=(1, 3, 8), per_neuron=2, sentences=40, groups=4)
    ingest_clusters(by_library, "tiny-bert", "main", settings, corpora=["one"], sites=["hidden"])
    for relation in ("layer_clusters", "neuron_clusters"):
        rows = [each.sql(f"from {relation} order by all").fetchall() for each in (warehouse, by_library)]
        assert rows[0] == rows[1] != []
    with pytest.raises(UsageError, match="--k 'many' is not a number"):
        nwh("clusters", "--model", "tiny-bert", "--k", "many")


def test_matches(warehouse, nwh):
    pair = ("--before", "tiny-bert", "--after", "second")
    nwh("matches", *pair, "--corpus", "two", "--site", "hidden", "--seed", "3")
    found = warehouse.sql("select distinct scope, site, n_sentences > 3 from neuron_matches").fetchall()
    assert found == [("two", "hidden", True)]
    with pytest.raises(UsageError, match="no ffn activations of second@main"):
        nwh("matches", *pair, "--site", "ffn")


def test_fine_tune_then_distances(warehouse, nwh, tiny_bert):
    nwh(
        "fine-tune", "--model", str(tiny_bert), "--corpus", "one", "--label", "author", "--as", "tuned",
        "--epochs", "1", "--min-documents", "5", "--batch-size", "16", "--max-tokens", "16", "--learning-rate", "1e-3",
        "--device", "cpu",
    )  # fmt: skip
    tuned = f"{warehouse.storage.uri}/models/tuned"
    nwh(
        "distances", "--before", str(tiny_bert), "--after", f"{tuned}@main", "--corpus", "one", "--split", "author",
        "--sentences", "20", "--before-as", "base", "--device", "cpu",
    )  # fmt: skip
    found = warehouse.sql(
        "select model_before, model_after, split, manhattan > 0 from checkpoint_distances order by split"
    )
    assert found.fetchall() == [("base", "tuned", name, True) for name in ("ann", "bob", "cleo")]
