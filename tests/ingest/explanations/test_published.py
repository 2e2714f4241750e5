"""Files of Neuronpedia and OpenAI, as they publish them: read, stored, judged where there is something to judge by."""

from __future__ import annotations

import gzip
import json

import pytest

from nwh.ingest.explanations.halves import ExplanationSettings
from nwh.ingest.explanations.job import ingest_published_explanations
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError

SETTINGS = ExplanationSettings(4, 4)
NEURONPEDIA = {"id": "c1", "modelId": "gpt2-small", "layer": "6", "index": "650", "authorId": "a"}
NEURONPEDIA |= {"description": " words of time ", "typeName": "oai_token-act-pair", "explanationModelName": "gpt-4"}


def openai(layer, neuron, *explained):
    return {
        "dataclass_name": "NeuronSimulationResults",
        "neuron_id": {"dataclass_name": "NeuronId", "layer_index": layer, "neuron_index": neuron},
        "scored_explanations": [
            {
                "dataclass_name": "ScoredExplanation",
                "explanation": text,
                "scored_simulation": {"ev_correlation_score": score, "scored_sequence_simulations": []},
            }
            for text, score in explained
        ],
    }


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "w")


def stored(warehouse):
    return warehouse.sql(
        "select source, layer, neuron, place, explanation, explainer, method, published_score, published_score_kind "
        "from explanations order by all"
    ).fetchall()


def test_neuronpedias_exports_and_api(warehouse, tmp_path):
    lines = [NEURONPEDIA, {**NEURONPEDIA, "layer": "0-mlp", "index": 3, "description": "names", "typeName": None}]
    folder = tmp_path / "explanations"
    folder.mkdir()
    (folder / "batch-0.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(x) + "\n" for x in lines).encode()))
    score = {"value": 0.5, "explanationScoreTypeName": "eleuther_fuzz"}
    feature = {"modelId": "gpt2-small", "layer": "6", "index": "651", "activations": []}
    feature["explanations"] = [{"description": "dates", "scores": [score]}, {"description": "years"}]
    (folder / "feature.json").write_text(json.dumps(feature))
    ingest_published_explanations(warehouse, str(folder), SETTINGS, model="openai-community/GPT2-small")
    assert warehouse.sql("select distinct model, checkpoint, site from explanations").fetchall() == [
        ("gpt2-small", "main", "ffn")
    ]
    assert stored(warehouse) == [
        ("neuronpedia", 0, 3, 1, "names", "gpt-4", None, None, None),
        ("neuronpedia", 6, 650, 1, "words of time", "gpt-4", "oai_token-act-pair", None, None),
        ("neuronpedia", 6, 651, 1, "dates", None, None, 0.5, "eleuther_fuzz"),
        ("neuronpedia", 6, 651, 2, "years", None, None, None, None),
    ]
    assert ingest_published_explanations(warehouse, str(folder), SETTINGS, model="gpt2-small") is None


def test_openais(warehouse, tmp_path):
    (tmp_path / "650.jsonl").write_text(json.dumps(openai(6, 650, ("words of time", 0.25), ("time", float("nan")))))
    run = ingest_published_explanations(warehouse, str(tmp_path / "650.jsonl"), SETTINGS, model="gpt2", source="bills")
    assert run.notes == []
    assert stored(warehouse) == [
        ("bills", 6, 650, 1, "words of time", None, None, 0.25, "ev_correlation_score"),
        ("bills", 6, 650, 2, "time", None, None, None, "ev_correlation_score"),
    ]
    view = warehouse.sql("select published_score, judge, auroc from neuron_explanations where place = 1").fetchall()
    assert view == [(0.25, None, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"line 1 is not JSON .*; Neuronpedia's explanations .* are read"),
        ("[]", "holds no explanations"),
        ('{"a": 1}', "is not an explanation \\(KeyError: 'layer'\\)"),
        ("3", "is not an explanation"),
        (json.dumps({**NEURONPEDIA, "layer": "6-res-jb"}), "layer '6-res-jb' is no layer of neurons but of features"),
        (json.dumps({**NEURONPEDIA, "index": "-1"}), "is not a layer or neuron"),
        (json.dumps([NEURONPEDIA, openai(0, 0, ("a", 1))]), "both Neuronpedia's and OpenAI's"),
    ],
)
def test_other_content_is_named(warehouse, tmp_path, content, message):
    path = tmp_path / "file.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        ingest_published_explanations(warehouse, str(path), SETTINGS, model="gpt2")
    assert stored(warehouse) == []


def test_wrong_use(warehouse, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        ingest_published_explanations(warehouse, str(tmp_path / "nowhere"), SETTINGS, model="gpt2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no file"):
        ingest_published_explanations(warehouse, str(tmp_path / "empty"), SETTINGS, model="gpt2")
