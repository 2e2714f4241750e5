"""The later parts of the neuron page, as Streamlit runs them over a real warehouse with a sample and a head."""

from __future__ import annotations

import html
import io
import json
import re
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from nwh.dashboards.charts import tree_drawing
from nwh.dashboards.parts import downloads
from nwh.dashboards.parts.near_duplicates import fold
from nwh.warehouse import Warehouse, limited_sql, output, queries
from nwh.warehouse.neuron import Neuron
from tests.dashboards.conftest import HOSTILE
from tests.dashboards.shown import assert_given_again, files
from tests.dashboards.test_markup import Read
from tests.dashboards.test_neuron import lists, run, texts
from tests.ingest.tiny_language_models import WORDS, save_masked

NEURON = {"model": "tiny@main", "site": "ffn", "layer": "1", "neuron": "5"}
PLACE = Neuron("tiny", "main", "ffn", 1, 5)
NEAR = ["The old city is 12 in Rome.", "The OLD city is 7 in ROME."]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Return a warehouse with one corpus run through a tiny masked model, all sentences kept and sampled."""
    from random import Random

    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document

    random = Random(2)
    own = [f"{' '.join(random.choices(WORDS, k=random.randint(3, 9))).capitalize()}." for _ in range(60)]
    documents = [
        Document(f"d{i}", f"{text} {own[7 * i % 60]}", [("half", "first" if i < 30 else "second")])
        for i, text in enumerate([*own, *HOSTILE, *NEAR])
    ]
    made = Warehouse.create(tmp_path_factory.mktemp("parts") / "warehouse")
    ingest_corpus(made, "one", "one.jsonl", lambda: iter(documents))
    folder = save_masked(tmp_path_factory.mktemp("models") / "tiny")
    model = load(str(folder), name="tiny", device="cpu")
    ingest_activations(made, model, ["one"], Settings(("ffn", "hidden"), k=500, sample=500))
    return made


def script():
    from nwh.dashboards.pages import neuron

    neuron.page()


@pytest.fixture
def open_page(monkeypatch, warehouse):
    def opened(**address):
        monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
        app = AppTest.from_function(script, default_timeout=120)
        app.query_params.update(NEURON | address)
        return run(app)

    return opened


def tables(app):
    return [element.value for element in app.get("html") if 'class="nwh-table"' in element.value]


def test_near_duplicates_are_folded_and_counted(warehouse, open_page):
    app = open_page(k="100", tokens="off")
    top = lists(app)[0]
    stored = queries.neurons.sentences(warehouse, PLACE, ["one"], "top", 500).records
    folded = {}
    for row in stored:
        folded.setdefault(re.sub(r"\d+", "0", " ".join(row["text"].lower().split())), []).append(row["text"])
    assert [text for _, text in texts(top)] == [group[0] for group in folded.values()][:100]
    (group,) = (group for group in folded.values() if set(group) == set(NEAR))
    shown = re.findall(r"<summary>and 1 of nearly the same text</summary><div[^>]*>(.*?)</div>", top)
    assert any(html.unescape(each).endswith(f"  {group[1]}") for each in shown)
    assert fold([]) == []


def test_a_fifth_of_the_words_may_differ():
    texts = ["a b c d e", "a b c d f", "a b c f g", "b c d e", "e d c b a", "a b c d e f"]
    folded = {row["text"]: [each["text"] for each in row["same"]] for row in fold([{"text": text} for text in texts])}
    assert folded == {"a b c d e": ["a b c d f", "b c d e", "a b c d e f"], "a b c f g": [], "e d c b a": []}


def test_sentences_of_every_strength_have_a_tab_each(open_page):
    app = open_page(tokens="off")
    names = [tab.label for tab in app.tabs]
    assert names == ["0.99 to 1", "0.9 to 0.99", "0.5 to 0.9", "0.1 to 0.5", "0 to 0.1", "Random"]
    assert [bool(tab.children) for tab in app.tabs] == [True] + [False] * 5  # drawn when they are opened
    ranges = []
    for i, name in enumerate(names[:-1]):
        app.session_state["strength"] = name
        tab = run(app).tabs[i]
        found = texts(tab.get("html")[0].value)
        assert 1 <= len(found) <= 5
        said = re.search("activations from (.*) to (.*)$", tab.caption[0].value).groups()
        ranges.append([float(value.replace("\N{MINUS SIGN}", "-")) for value in said])
    assert ranges == sorted(ranges, reverse=True)


def test_nothing_is_asked_twice(open_page, monkeypatch):
    """Neither by two parts of the page, nor ahead of the page and by it."""
    asked, lend = [], Warehouse.cursor

    class Noting:
        def __init__(self, cursor):
            self.cursor = cursor

        def execute(self, query, params):
            asked.append((query, params.get("pole")))
            return self.cursor.execute(query, params)

    @contextmanager
    def noting(warehouse):
        with lend(warehouse) as cursor:
            yield Noting(cursor)

    st.cache_data.clear()
    monkeypatch.setattr(Warehouse, "cursor", noting)
    open_page(tokens="off")
    assert len(asked) > 12
    assert [question for question in asked if asked.count(question) > 1] == []


def test_context_shows_the_sentences_around(warehouse, open_page):
    shown = lists(open_page(context="on", tokens="off"))[0]
    plain = lists(open_page(tokens="off"))[0]
    assert "nwh-context" in shown
    assert "nwh-context" not in plain
    around = {html.unescape(text) for text in re.findall(r'<p class="nwh-context" dir="auto">(.*?)</p>', shown)}
    stored = set(warehouse.scan("sentences").collect()["text"])
    assert around <= stored
    assert Read(shown).text.count("script") == 0 or not [tag for tag, _ in Read(shown).elements if tag == "script"]


def test_similar_neurons_lead_to_their_pages(warehouse, open_page):
    app = open_page(tokens="off", k="3")
    table = next(table for table in tables(app) if "correlation" in table)
    links = [attrs["href"] for tag, attrs in Read(table).elements if tag == "a"]
    assert len(set(links)) == 10
    assert all(re.fullmatch(r"neuron\?model=tiny%40main&site=ffn&layer=\d&neuron=\d+&k=3&tokens=off", e) for e in links)
    (sites,) = (group for group in app.button_group if group.label == "Of site")
    assert sites.value == "ffn"
    run(sites.set_value("hidden"))
    table = next(table for table in tables(app) if "correlation" in table)
    names = re.findall(r"<a [^>]*>([^<]*)</a>", table)
    found = queries.samples.similar(warehouse, PLACE, ["one"], 10, "hidden").records
    assert names == [f"hidden/{row['layer']}/{row['neuron']}" for row in found]


def test_ticks_of_the_histogram_are_the_stored_quantiles(warehouse, open_page):
    app = open_page(tokens="off")
    (drawn,) = (each.proto for each in app.get("vega_lite_chart") if "by activation" in each.proto.spec)
    (ticks,) = (layer for layer in json.loads(drawn.spec)["layer"] if "tick" in str(layer["mark"]))
    (data,) = (each.data.data for each in drawn.datasets if each.name == ticks["data"]["name"])
    found = [(row["level"], row["activation"]) for row in pa.ipc.open_stream(data).read_all().to_pylist()]
    ((levels, values),) = warehouse.sql(
        "select quantile_levels, quantiles from neuron_stats where site = 'ffn' and layer = 1 and neuron = 5"
    ).fetchall()
    assert found == list(zip(levels, values, strict=True))


def test_statements_over_the_sample_give_the_rows_shown(warehouse, open_page, made_of):
    open_page(tokens="off")
    limited = limited_sql.open_limited(warehouse.storage.uri)
    of_sample = {
        each.about: each for each in made_of if each.about in ("Sentences of every strength", "Similar neurons")
    }
    assert len(of_sample) == 2
    for each in of_sample.values():
        assert "activation_sample" in each.answer.sql or "similar_neurons" in each.answer.sql
        assert_given_again(limited, each)


def test_two_densities_are_of_the_sentences_with_and_without_a_value(warehouse, open_page, made_of):
    app = open_page(tokens="off")
    (box,) = (each for each in app.selectbox if each.label == "Sentences with and without")
    assert sorted(box.options) == ["half = first", "half = second"]
    run(box.set_value("half = second"))
    made = next(each for each in made_of if each.about == "Sampled sentences with and without half = second")
    assert_given_again(limited_sql.open_limited(warehouse.storage.uri), made)
    sides = {has: sum(row["n"] for row in made.answer.records if row["has"] == has) for has in (True, False)}
    counted = (
        "select value, count(*) from sentence_metadata semi join sentence_tokens using (sentence_id) group by value"
    )
    assert sides == {value == "second": n for value, n in warehouse.sql(counted).fetchall()}


def test_the_head_of_the_page_says_what_the_neuron_is_and_how_it_was_made(warehouse, open_page):
    app = open_page(tokens="off")
    assert app.title[0].value == "ffn/1/5"
    ((positive,),) = warehouse.sql(
        "select share_positive from neuron_stats where site = 'ffn' and layer = 1 and neuron = 5"
    ).fetchall()
    assert f"above 0 on {positive:.0%} of all sentences" in app.markdown[0].value.lower()
    ((day,),) = warehouse.sql("select started_at from runs where job = 'activations'").fetchall()
    assert app.caption[0].value == (
        "Of `tiny@main`. `one`: a sentence's activation is the mean over its tokens; 500 sentences kept per pole; "
        f"run of {day:%Y-%m-%d %H:%M}, float32 on cpu"
    )


def test_output_tokens_are_those_of_the_weights(open_page):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    app = open_page(tokens="off")
    made = next(table for table in tables(app) if "raised most" in table)
    folder = Warehouse.open().sql("select source from checkpoints").fetchall()[0][0]
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    change = model.cls.predictions.decoder.weight @ model.bert.encoder.layer[1].output.dense.weight[:, 5]
    want = [tokenizer.convert_ids_to_tokens(int(i)) for i in change.topk(10).indices]
    assert [html.unescape(name) for name in re.findall(r'<th scope="row">(.*?)</th>', made)] == want
    assert any("hint, no more" in each.value for each in app.caption)
    assert not any("raised most" in table for table in tables(open_page(site="hidden", tokens="off")))


def test_a_text_of_ones_own(warehouse, open_page):
    (known,) = queries.neurons.sentences(warehouse, PLACE, ["one"], "top", 1).records
    app = open_page(tokens="off")
    run(app.text_area(key="text").set_value(known["text"]))
    assert app.query_params["text"] == known["text"]
    said = next(each.value for each in app.caption if "As one sentence" in each.value)
    value = float(re.search(r"activation (\S+)\. ", said)[1].replace("\N{MINUS SIGN}", "-"))
    assert value == pytest.approx(known["activation"], rel=2e-3, abs=2e-3)
    table = next(table for table in tables(app) if "sentences below" in table)
    assert float(re.search(r"<td>([\d.]+)%</td>", table)[1]) > 95
    run(app.text_area(key="text").set_value("of"))
    assert any("fewer than 3 tokens" in each.value for each in app.caption)  # its token is shown all the same
    assert any(
        re.search(r'<p class="nwh-text" dir="auto"><span [^>]*>of</span></p>', each.value) for each in app.get("html")
    )
    run(app.text_area(key="text").set_value("of " * 200))
    assert any(re.search("reads 30 tokens at once: the last 509 characters", each.value) for each in app.caption)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_of_ones_own_stays_text(open_page, hostile):
    app = open_page(text=hostile, tokens="off")
    assert not app.warning
    (shown,) = (each.value for each in app.get("html") if 'class="nwh-ramp"' in each.value)
    assert Read(shown).text.startswith(hostile)
    box = {"label", "input"}  # shows tokens' values
    assert {tag for tag, _ in Read(shown).elements} <= {"p", "span", "div"} | box


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
def test_downloads_hold_every_stored_sentence(warehouse, open_page, format):
    app = open_page(tokens="off")
    assert {"CSV", "Parquet", "JSON"} <= set(files(app))
    want = queries.neurons.all_sentences(warehouse, PLACE, ["one"]).records
    assert len(want) == 2 * warehouse.scan("neuron_stats").collect()["n"][0]
    content = downloads.written(queries.neurons.all_sentences(warehouse, PLACE, ["one"]), output.Format(format))
    if format == "json":
        assert json.loads(content) == want
    else:
        read = pl.read_csv if format == "csv" else pl.read_parquet
        assert read(io.BytesIO(content)).to_dicts() == [
            {name: pytest.approx(value) if name == "activation" else value for name, value in row.items()}
            for row in want
        ]


def test_concepts_lead_to_their_pages(tmp_path, monkeypatch):
    """Over made-up rows of attributions, one concept with a hostile name; the part is run by itself."""
    from tests.sql.knowledge_rows import Rows

    monkeypatch.setenv("NWH_WAREHOUSE", Rows().write(tmp_path / "warehouse").storage.uri)

    def part():
        from nwh.dashboards import session
        from nwh.dashboards.parts import related
        from nwh.warehouse.neuron import Neuron

        related.concepts(session.warehouse(), Neuron("bert", "main", "ffn", 2, 3))

    app = run(AppTest.from_function(part, default_timeout=60))
    (table,) = tables(app)
    links = [attrs["href"] for tag, attrs in Read(table).elements if tag == "a"]
    wanted = (
        Warehouse.open()
        .sql(
            "select distinct dataset, concept from knowledge_neurons where model = 'bert' and layer = 2 and neuron = 3"
        )
        .fetchall()
    )
    assert f"{len(wanted):,} concepts" in app.caption[0].value
    assert len(links) == min(20, len(wanted))
    assert all(link.startswith("concept?model=bert&dataset=") for link in links)
    assert len(app.get("arrow_vega_lite_chart") + app.get("vega_lite_chart")) == 1


@pytest.mark.parametrize(
    ("bracketed", "text", "leaves"),
    [
        ("(NP (DT) (NN))", "NPDTNN", 3),
        ("(S (NP (DT the)) (VP))", "SNPDTtheVP", 5),
        ("(<img/src=x> (&amp;) (\"'))", "<img/src=x>&amp;\"'", 3),
        ("(NP)", "NP", 1),
    ],
)
def test_trees_are_drawn_with_their_labels_as_text(bracketed, text, leaves):
    read = Read(tree_drawing.draw(bracketed))
    assert read.text == text
    assert [tag for tag, _ in read.elements].count("li") == leaves
    assert {tag for tag, _ in read.elements} <= {"ul", "li", "span"}


@pytest.mark.parametrize("broken", ["", "NP", "(NP", "NP)", "(A) (B)", f"{'(A ' * 5000}{')' * 5000}", "<b>"])
def test_what_is_no_tree_is_shown_as_it_stands(broken):
    read = Read(tree_drawing.draw(broken))
    assert read.text == broken
    assert [tag for tag, _ in read.elements] == ["code"]
