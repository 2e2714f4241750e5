"""The notebooks of docs/ run, and what they find is what the views say; neurons and views as notebooks see them."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from nwh import Warehouse
from nwh.ingest.explanations.halves import ExplanationSettings
from nwh.ingest.explanations.job import ingest_explanations
from nwh.ingest.training import tiny_models  # noqa: F401  (torch, before marimo starts threads)
from nwh.warehouse.errors import UsageError
from tests.conftest import copied
from tests.sql.knowledge_rows import Rows

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    return Rows().write(tmp_path_factory.mktemp("knowledge") / "w")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus, tiny_bert):
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load

    made = Warehouse.create(tmp_path_factory.mktemp("notebooks") / "w")
    add_corpus(made, "one", 60)
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(k=9, sample=10))
    ingest_explanations(made, "tiny-bert", "main", ExplanationSettings(3, 3), sites=["ffn"], layers=[1])
    return Warehouse.open(made.storage.uri)


def test_the_studies_in_polars_find_what_the_views_say(knowledge, monkeypatch):
    pytest.importorskip("marimo", reason="pip install marimo to run this test")
    monkeypatch.setenv("NWH_WAREHOUSE", knowledge.storage.uri)
    spec = importlib.util.spec_from_file_location("studies_in_polars", DOCS / "studies_in_polars.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    _, found = notebook.app.run()
    columns = ["model", "dataset", "concept", "checkpoint", "n_reference", "n_neurons", "n_shared", "share_found"]
    stability = found["stability"].select(columns).sort(columns[:4]).rows()
    wanted = f"select {', '.join(columns)} from knowledge_neuron_stability order by model, dataset, concept, checkpoint"
    assert stability == [tuple(row) for row in knowledge.sql(wanted).fetchall()]
    assert len(stability) > 100
    correlations = found["frequency_correlation"].rows()
    wanted = (
        "select model, dataset, frequency_source, n, correlation from frequency_correlation "
        "where figure = 'step of acquisition' and correlation is not null order by model, dataset, frequency_source"
    )
    assert [row for row in correlations if row[4] == row[4]] == [
        (*row[:4], pytest.approx(row[4])) for row in knowledge.sql(wanted).fetchall()
    ]


def test_typical_words_in_polars(data, stored, monkeypatch, tmp_path):
    from nwh.ingest.annotation.annotators import choose
    from nwh.ingest.annotation.job import ingest_annotations
    from nwh.warehouse.neuron import parse_neuron
    from nwh.warehouse.queries.shared_patterns import typical_words

    pytest.importorskip("marimo", reason="pip install marimo to run this test")
    monkeypatch.setattr("nltk.data.path", [str(data / "nltk_data")])
    made = copied(stored.storage.uri, tmp_path / "w")
    ingest_annotations(made, "one", choose("nltk", None, None), processes=1)
    monkeypatch.setenv("NWH_WAREHOUSE", made.storage.uri)
    spec = importlib.util.spec_from_file_location("studies_in_polars", DOCS / "studies_in_polars.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    found = notebook.app.run()[1]["typical_words"]
    assert len(found) > 5
    for row in found.head(20).rows(named=True):
        place = parse_neuron("{model}/{site}/{layer}/{neuron}".format(**row))
        of_class = typical_words(made, place, ["one"], row["annotator"], 5).records
        if wanted := [each["word"] for each in of_class if each["class"] == row["class"]]:
            assert row["word"] == wanted


def test_first_steps_run(stored, monkeypatch):
    monkeypatch.setenv("NWH_WAREHOUSE", stored.storage.uri)
    names: dict[str, object] = {}
    for cell in json.loads((DOCS / "first_steps.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    shown = names["page"]._repr_html_()
    top = names["page"].tables["top sentences"]["text"][0]
    assert "<svg" in shown
    assert re.sub("<.*?>", "", shown).count(top) >= 1
    assert shown.count('class="nwh-token') > 20


def test_a_neuron_is_a_page_a_frame_and_json(stored):
    page = stored.neuron("tiny-bert/blocks.1.mlp.hook_post/3", k=4, tokens=False)
    assert repr(page) == "<neuron tiny-bert@main/ffn/1/3 over one>"
    assert len(page.tables["top sentences"]) == 4
    whole = json.loads(json.dumps(page.json()))
    assert whole["neuron"]["layer"] == 1
    assert whole["explanations"][0]["source"] == "template"
    assert whole["checkpoint"][0]["model"] == "tiny-bert"
    assert len(whole["similar neurons"]) == 4
    shown = page._repr_html_()
    assert whole["explanations"][0]["explanation"].split('"')[0] in shown
    assert "nwh-token" not in shown.split("</style>")[1]
    with pytest.raises(UsageError, match="has layers 0 to 2 with neurons 0 to 23"):
        stored.neuron("tiny-bert/ffn/1/99")


def test_a_model_that_cannot_run_leaves_the_page_without_colours(stored, caplog, tmp_path):
    made = Warehouse.open(copied(stored.storage.uri, tmp_path / "w").storage.uri)
    with made.run("activations", {"model": "tiny-bert", "checkpoint": "main", "corpus": "x"}, {}) as run:
        old = made.sql("from checkpoints").pl().drop("model", "checkpoint").to_dict(as_series=False)
        run.write("checkpoints", {"model": "tiny-bert", "checkpoint": "main"}, {**old, "source": ["/nowhere"]})
    page = Warehouse.open(made.storage.uri).neuron("tiny-bert/ffn/1/3")
    assert "nwh-token" not in page._repr_html_().split("</style>")[1]
    assert "tokens have no colours, because the model cannot be run" in caplog.text


def test_views_and_macros_are_frames(stored):
    import polars as pl

    frame = stored.view("class_neurons")
    assert isinstance(frame, pl.LazyFrame)
    found = frame.filter(pl.col("layer") == 1, pl.col("pole") == "top").select("site", "neuron", "value").collect()
    wanted = "select site, neuron, value from class_neurons where layer = 1 and pole = 'top' order by all"
    assert found.sort(pl.all()).rows() == stored.sql(wanted).fetchall()
    top = stored.view("top_sentences", ["one"], k=2).filter(pl.col("neuron") == 3).collect()
    assert len(top) == 2 * 2 * 2 * 3  # poles, sentences, sites, layers
    with pytest.raises(UsageError, match="no view, macro or relation 'nothing'"):
        stored.view("nothing")
    with pytest.raises(UsageError, match="class_neurons"):
        stored.view("class_neurons", "one")  # which is no macro
    with pytest.raises(UsageError, match="k must be at least 0, not -1"):
        stored.neuron("tiny-bert/ffn/1/3", k=-1).json()
