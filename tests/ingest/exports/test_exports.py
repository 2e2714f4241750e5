"""What Neuronpedia's importer takes and what DuckDB reads of a data set of the hub, against what is stored."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import jsonschema
import pytest
import yaml

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.live_activations import output_tokens, token_activations
from nwh.ingest.explanations.halves import ExplanationSettings
from nwh.ingest.explanations.job import ingest_explanations, ingest_published_explanations
from nwh.ingest.exports import neuronpedia
from nwh.ingest.exports.hub import export_hub
from nwh.ingest.exports.neuronpedia import export_neuronpedia
from nwh.ingest.exports.neuronpedia_source import CREATOR
from nwh.ingest.models import load
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from tests.ingest.tiny_language_models import WORDS, save_causal

SCHEMA = json.loads(Path(__file__).with_name("neuronpedia_schema.json").read_text())
NEURON = Neuron("writer", "main", "ffn", 1, 3)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    place = tmp_path_factory.mktemp("exports")
    made = Warehouse.create(place / "w")
    for name, step in (("one", 3), ("two", 5)):
        texts = [f"We see {word} in the old city of {WORDS[i * step % len(WORDS)]}." for i, word in enumerate(WORDS)]
        documents = [Document(f"d{i}", text, [("n", str(i % 3))]) for i, text in enumerate(texts)]
        ingest_corpus(made, name, "made up", lambda documents=documents: documents)
    model = load(str(save_causal(place / "writer")), device="cpu")
    ingest_activations(made, model, ["one", "two"], Settings(k=10, sample=10))
    settings = ExplanationSettings(3, 3)
    ingest_explanations(made, "writer", "main", settings, sites=["ffn"], layers=[1], neurons=[3])
    return made


def read(file):
    content = file.read_bytes()
    text = gzip.decompress(content) if file.suffix == ".gz" else content
    return [json.loads(line) for line in text.decode().splitlines()]


def test_a_layer_is_named_as_transformer_lens_names_it_there(tmp_path, tiny_bert, add_corpus):
    """A block of BERT ends in a norm, and `hidden` is after it."""
    made = Warehouse.create(tmp_path / "w")
    add_corpus(made, "one", 20)
    model = load(str(tiny_bert), name="bert", device="cpu")
    ingest_activations(made, model, ["one"], Settings(k=2, sample=2, sites=("hidden",)))
    (folder,) = export_neuronpedia(made, "bert", "main", tmp_path / "out", sites=["hidden"], layers=[2], k=1)
    names = {row["hookName"] for row in read(folder / "features" / "batch-0.jsonl.gz")}
    assert names == {"blocks.2.hook_normalized_resid_post"}


def test_neuronpedias_importer_takes_an_export(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(neuronpedia, "BATCH", 16)
    folders = export_neuronpedia(warehouse, "writer", "main", tmp_path, sites=["ffn"], k=4)
    assert folders == [tmp_path / "v1" / "writer" / f"{layer}-nwh-ffn" for layer in (0, 1)]
    for file in sorted(tmp_path.rglob("*.jsonl*")):
        what = file.parent.name if file.name.startswith("batch") else file.stem
        rows = read(file)
        assert rows
        for row in rows:
            jsonschema.validate(row, {**SCHEMA[what], "$defs": SCHEMA["$defs"]})
            assert set(row) == set(rows[0])  # the importer takes the columns of the first line
    layer = folders[1]
    features = {int(row["index"]): row for i in (0, 1) for row in read(layer / "features" / f"batch-{i}.jsonl.gz")}
    assert list(features) == list(range(24))
    found = features[3]
    stats = warehouse.sql(
        "select sum(n), max(max_token), sum(n * share_positive) / sum(n) from neuron_stats where site = 'ffn' "
        "and layer = 1 and neuron = 3"
    ).fetchall()[0]
    assert (found["maxActApprox"], found["frac_nonzero"]) == pytest.approx(stats[1:])
    assert sum(found["freq_hist_data_bar_heights"]) == pytest.approx(stats[0])
    assert len(found["freq_hist_data_bar_values"]) == 50
    tokens = output_tokens(warehouse, NEURON, 10)
    assert list(zip(found["pos_str"], map(pytest.approx, found["pos_values"]), strict=True)) == tokens.positive
    assert list(zip(found["neg_str"], map(pytest.approx, found["neg_values"]), strict=True)) == tokens.negative
    activations = [row for row in read(layer / "activations" / "batch-0.jsonl.gz") if row["index"] == "3"]
    top = warehouse.sql(
        "select corpus, sentence_id, text from top_sentences(['one', 'two'], 4) where site = 'ffn' and layer = 1 "
        "and neuron = 3 and pole = 'top' order by rank"
    ).fetchall()
    assert [(row["dataSource"], int(row["dataIndex"]), "".join(row["tokens"])) for row in activations] == top
    for row, at_tokens in zip(
        activations, token_activations(warehouse, NEURON, [text for *_, text in top]), strict=True
    ):
        assert row["values"] == pytest.approx(at_tokens.activations, abs=1e-6)
        assert row["maxValue"] == max(row["values"]) == row["values"][row["maxValueTokenIndex"]]
    assert len({row["id"] for row in read(layer / "activations" / "batch-0.jsonl.gz")}) == 16 * 4
    (explanation,) = read(layer / "explanations" / "batch-0.jsonl.gz")
    said = warehouse.sql("select explanation, auroc from neuron_explanations").fetchall()[0]
    assert (explanation["index"], explanation["description"], explanation["authorId"]) == ("3", said[0], CREATOR)
    assert f"detection AUROC {said[1]:.3f}" in explanation["notes"]
    assert not (layer / "explanations" / "batch-1.jsonl.gz").exists()  # the importer fails on an empty file


def test_what_is_exported_can_be_read_again(warehouse, tmp_path):
    (folder,) = export_neuronpedia(warehouse, "writer", "main", tmp_path / "out", sites=["ffn"], layers=[1], k=1)
    other = Warehouse.create(tmp_path / "other")
    ingest_published_explanations(other, str(folder / "explanations"), ExplanationSettings(), model="writer")
    assert (
        other.sql("select layer, neuron, explanation from explanations").fetchall()
        == warehouse.sql("select layer, neuron, explanation from explanations").fetchall()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "other"}, "other@main has activations of no site"),
        ({"sites": ["attention"]}, "writer@main has activations of hidden, ffn"),
        ({"layers": [2]}, "layers 0 to 1"),
        ({"corpora": ["brown"]}, "no hidden activations over corpus 'brown'"),
        ({"k": 0}, "-k must be at least 1"),
    ],
)
def test_neuronpedia_wrong_use(warehouse, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        export_neuronpedia(warehouse, **{"model": "writer", "checkpoint": "main", "out": tmp_path, **options})
    assert list(tmp_path.iterdir()) == []


def test_duckdb_reads_an_export_for_the_hub_by_its_card(warehouse, tmp_path):
    out = export_hub(warehouse, "writer", tmp_path / "hub", repo="me/neurons")
    card = (out / "README.md").read_text()
    about = yaml.safe_load(card.split("---")[1])
    files = {config["config_name"]: config["data_files"] for config in about["configs"]}
    stored = {name for name, uris in warehouse.snapshot.items() if uris}
    assert set(files) == stored

    def here(statement):
        return statement.replace("hf://datasets/me/neurons", str(out))

    with duckdb.connect() as connection:
        for name in files:
            n = connection.execute(here(f"select count(*) from 'hf://datasets/me/neurons/{files[name]}'")).fetchall()
            assert n == warehouse.sql(f"select count(*) from {name}").fetchall(), name
        questions = here((out / "questions.sql").read_text())
        for statement in connection.extract_statements(questions):
            if "httpfs" not in statement.query:  # which here would be fetched
                connection.execute(statement.query)
        for question in (
            "select rank, activation, text from top_sentences(['one'], 5) where layer = 1 and neuron = 3",
            "select * exclude (model) from class_neurons",
            "select neuron, explanation, auroc from neuron_explanations",
            "from knowledge_neurons",
        ):
            assert connection.execute(f"{question} order by all").fetchall() == (
                warehouse.sql(f"{question} order by all").fetchall()
            )
    for statement in (part.split("```")[0] for part in card.split("```sql\n")[1:]):
        assert "me/neurons" in statement or "top_sentences(['one'], 5)" in statement
    export_hub(warehouse, "writer", out)  # again, over the earlier one


def test_hub_wrong_use(warehouse, tmp_path):
    with pytest.raises(UsageError, match="no model 'other' in .*; there are writer"):
        export_hub(warehouse, "other", tmp_path / "hub")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds something that is no earlier export"):
        export_hub(warehouse, "writer", tmp_path / "mine")
