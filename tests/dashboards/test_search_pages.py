"""The home, search and SQL pages as Streamlit runs them, over small real warehouses."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards.address import search_address
from nwh.dashboards.address.search_address import Search
from nwh.dashboards.pages import sql_page
from nwh.dashboards.parts.dictionary import dictionary
from nwh.ingest.activations.text_activations import activations_at_tokens
from nwh.ingest.models import load
from nwh.warehouse import Warehouse, limited_sql, queries
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.schema import RELATIONS
from tests.conftest import copied
from tests.dashboards.conftest import HOSTILE
from tests.dashboards.shown import commands, files, tables
from tests.sql.knowledge_rows import CONCEPTS, Rows


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    return Rows().write(tmp_path_factory.mktemp("knowledge") / "warehouse")


def script(page):
    from importlib import import_module

    import_module(f"nwh.dashboards.pages.{page}").page()


@pytest.fixture
def open_page(monkeypatch):
    """Return a function that opens a page over a warehouse at an address."""

    def opened(page, warehouse, **address):
        monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
        app = AppTest.from_function(script, args=(page,), default_timeout=60)
        app.query_params.update(address)
        return run(app)

    return opened


def run(page_or_widget):
    app = page_or_widget.run()
    assert not app.exception
    return app


def press(app, label):
    next(button for button in app.button if button.label == label).click()
    return run(app)


def written(app):
    """Return everything that the page shows as Markdown or HTML, code spans and escaped text left out."""
    shown = [element.value for element in [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]]
    return " ".join(re.sub(r"(`+).*?\1", "", text, flags=re.DOTALL) for text in shown)


def charts(app):
    """Return (specification, rows) of every chart."""
    for element in app.get("vega_lite_chart"):
        datasets = [dataset.data.data for dataset in element.proto.datasets] or [element.proto.data.data]
        yield json.loads(element.proto.spec), pa.ipc.open_stream(datasets[0]).read_all().to_pylist()


# -- home --------------------------------------------------------------------------------------------------


def test_home_says_what_there_is_and_where_to_begin(open_page, warehouse):
    app = open_page("home", warehouse)
    models, corpora, *jobs = tables(app)
    (model,) = models
    assert (model["model"], model["layers"], model["hidden"], model["ffn"]) == ("tiny", "3", "16", "24")
    assert (model["sites"], model["run over"]) == ("hidden, ffn", "hostile, plain")
    assert [(row["corpus"], row["sentences"], row["metadata"]) for row in corpora] == [
        ("hostile", "6", "author, topic"),
        ("plain", "60", "author"),
    ]
    assert [bool(row["annotated by"]) for row in corpora] == [False, True]
    stored = warehouse.sql("select job, unit from runs").fetchall()
    assert sorted((row["job"], row["unit"]) for part in jobs for row in part) == sorted(set(stored))
    links = re.findall(r'<a href="(\w+)">', app.get("html")[0].value)
    assert links == ["neuron", "search", "layers", "sql"]
    assert "ingest attributions --model MODEL --dataset NAME" in commands(app)[0]
    assert "ingest corpus" not in commands(app)[0]
    assert "queries in" in app.caption[-1].value


def test_home_of_prompts_alone(open_page, knowledge):
    app = open_page("home", knowledge)
    models, datasets, _ = tables(app)
    bert = next(row for row in models if row["model"] == "bert")
    assert bert["which"] == "step0, step9, step20, step100, main"
    assert bert["checkpoints"] == "5"
    a, b = datasets
    assert (a["data set"], a["concepts"], a["run on"]) == ("a", "26", "bert, solo, untrained")
    assert b["run on"] == "bert, untrained"
    assert {"search", "concept", "formation"} < set(re.findall(r'<a href="(\w+)">', app.get("html")[0].value))
    assert "ingest corpus FILE" in commands(app)[0]


def test_home_of_an_empty_warehouse_says_what_fills_it(open_page, tmp_path):
    made = Warehouse.create(tmp_path / "empty")
    app = open_page("home", made)
    assert f"nwh --warehouse {made.storage.uri} ingest corpus FILE --name NAME" in commands(app)[0].splitlines()[0]
    assert "ingest activations --model MODEL" in commands(app)[0]
    assert not app.dataframe


def test_home_shows_what_runs_and_what_was_interrupted(open_page, tmp_path):
    from nwh.warehouse.storage import resume_state
    from nwh.warehouse.storage.runs import Run

    made = Warehouse.create(tmp_path / "warehouse")
    unit = {"model": "m", "checkpoint": "main", "corpus": "a"}
    with made.run("activations", unit, {}) as going:
        resume_state.save(going, {}, 25, 100)
        resume_state.save(Run(made.storage, "activations", {**unit, "corpus": "<b>x"}, {}), {}, 7, 9)
        app = open_page("home", made)
        shown = [element.value for element in app.get("html")[1:] if "nwh-commands" not in element.value]
    assert "<b>running</b> activations model=m/checkpoint=main/corpus=a: 25 of 100" in shown[0]
    assert '<progress value="25" max="100"' in shown[0]
    assert "<b>interrupted</b> activations" in shown[1]
    assert "7 of 9" in shown[1]
    assert set(re.findall(r"<(\w+)", " ".join(shown))) == {"p", "b", "progress"}
    assert "&lt;b&gt;x" in shown[1]


# -- search ------------------------------------------------------------------------------------------------


def found_by(app):
    """Return the rows of the result, with the neuron that each row's link leads to."""
    rows = app.dataframe[0].value.to_dict("records")
    for row in rows:
        if row["open"]:
            parts = urlsplit(row["open"])
            assert parts.path == "neuron"
            place = {name: values[0] for name, values in parse_qs(parts.query).items()}
            columns = ("model", "site", "layer", "neuron")
            carried = search_address.read(app.query_params, [row["model"]])[0]
            searched = {"find": carried.found, "text": carried.text}
            wanted = {name: str(row[name]) for name in columns} | {name: of for name, of in searched.items() if of}
            assert place == wanted
    return rows


def test_a_word_leads_to_its_neurons(open_page, warehouse):
    app = open_page("search", warehouse, by="word", pattern="the", lift="0", q="1")
    rows = found_by(app)
    stored = warehouse.sql(
        "select layer, neuron from pattern_neurons('word', 'the') where pole = 'top' "
        "order by auroc desc nulls last, mined_g2 desc, layer, neuron"
    ).fetchall()
    assert [(row["layer"], row["neuron"]) for row in rows] == stored
    assert all(row["open"] for row in rows)
    run(app.number_input(key="search_rows").set_value(2))
    assert app.query_params == {"by": "word", "pattern": "the", "lift": "0", "q": "1", "rows": "2"}
    assert len(found_by(app)) == 2
    assert "There are more" in app.markdown[-1].value
    run(app.text_input(key="search_layers").set_value("0"))
    assert "No neuron is found" in app.info[0].value
    run(app.text_input(key="search_pattern").set_value("**zebra**"))
    assert app.query_params["pattern"] == "**zebra**"
    assert "zebra" not in written(app)


def test_a_neuron_of_the_result_is_opened_without_a_mouse(open_page, warehouse):
    app = open_page("search", warehouse, by="word", pattern="the", lift="0", q="1")
    (box,) = (each for each in app.selectbox if each.label == "Open a neuron")
    assert box.value is None
    assert not app.get("page_link")
    rows = found_by(app)
    assert box.options == [f"{row['model']}/{row['site']}/{row['layer']}/{row['neuron']}" for row in rows]
    run(box.set_value(box.options[1]))
    (link,) = app.get("page_link")
    assert f"neuron?{link.proto.query_string}" == rows[1]["open"]


def test_what_was_searched_for_is_carried_to_the_neuron_and_marked(open_page, warehouse):
    app = open_page("search", warehouse, by="word", pattern="the", lift="0", q="1")
    rows = found_by(app)
    first = {
        tuple(place): text
        for *place, text in warehouse.sql(
            "select site, layer, neuron, arg_max(text, activation) from neuron_sentences where pole = 'top' "
            "and rank = 1 group by all"
        ).fetchall()
    }
    assert [row["preview"] for row in rows] == [first[row["site"], row["layer"], row["neuron"]] for row in rows]
    assert {row["recall"] for row in rows} == {float(f"{row['recall']:.3g}") for row in rows}
    assert "All rows: model `tiny@main`, site `ffn`, pole `top`, corpora `plain`" in app.caption[0].value
    address = {name: of[0] for name, of in parse_qs(urlsplit(rows[0]["open"]).query).items()}
    shown = open_page("neuron", warehouse, **address, tokens="off", corpora="plain", k="20")
    said = next(each.value for each in shown.markdown if "Searched for" in each.value)
    support, k, corpus_support, n = warehouse.sql(
        "select support, k, corpus_support, n_sentences from pattern_neurons('word', 'the') "
        f"where layer = {rows[0]['layer']} and neuron = {rows[0]['neuron']} and pole = 'top'"
    ).fetchall()[0]
    assert f"{support} of {k} top sentences ({support / k:.0%}; corpus {corpus_support / n:.1%})" in said
    top = next(each.value for each in shown.get("html") if "nwh-sentences" in each.value and "<ol" in each.value)
    marked = [html.unescape(word) for word in re.findall(r'<span class="nwh-found">(.*?)</span>', top)]
    texts = [
        html.unescape(re.sub("<[^>]*>", "", text)) for text in re.findall(r'<p class="nwh-text".*?>(.*?)</p>', top)
    ]
    assert marked == [word for text in texts for word in re.findall(r"\bthe\b", text, re.IGNORECASE)]
    assert marked
    press(shown, "Forget")
    assert "find" not in shown.query_params
    assert not any("nwh-found" in each.value for each in shown.get("html"))


@pytest.mark.parametrize(("by", "pattern"), [("tag", "NN NN"), ("tree", "(S (NN))")])
def test_tags_and_subtrees(open_page, warehouse, by, pattern):
    rows = found_by(open_page("search", warehouse, by=by, pattern=pattern, lift="0", q="1", rows="1000"))
    n = warehouse.sql("select count(*) from pattern_neurons($1, $2) where pole = 'top'", params=[by, pattern])
    assert [(len(rows),)] == n.fetchall()
    assert rows


def test_metadata_classes(open_page, warehouse):
    app = open_page("search", warehouse, by="metadata", lift="0", q="1", rows="1000")
    assert app.selectbox(key="search_key").value == "author"
    assert "<b>eve</b>" in app.selectbox(key="search_value").options
    run(app.selectbox(key="search_value").set_value("<b>eve</b>"))
    assert {row["site"] for row in found_by(app)} == {"hidden", "ffn"}
    run(app.selectbox(key="search_site").set_value("ffn"))
    rows = found_by(app)
    stored = warehouse.sql(
        "select layer, neuron from neuron_metadata where pole = 'top' and value = '<b>eve</b>' and site = 'ffn' "
        "and support > 0 order by auroc desc nulls last, g2 desc, layer, neuron"
    ).fetchall()
    assert [(row["layer"], row["neuron"]) for row in rows] == stored
    assert {row["scope"] for row in rows} == {"hostile"}
    assert "eve" not in written(app)
    run(app.selectbox(key="search_key").set_value("topic"))
    assert app.query_params["key"] == "topic"
    assert app.selectbox(key="search_value").options == ["choose", "**x**"]
    assert "Choose a value" in app.info[0].value
    assert not app.dataframe


def test_a_search_over_one_model_begins_with_the_fullest(open_page, warehouse, monkeypatch):
    there = queries.neurons.extents(warehouse)
    toy = Extent("toy", "main", "ffn", 1, 2, there[0].corpora)
    monkeypatch.setattr("nwh.warehouse.queries.neurons.extents", lambda warehouse: [*there, toy])
    app = open_page("search", warehouse, by="text")
    assert app.selectbox(key="search_model").value == f"{there[-1].model}@{there[-1].checkpoint}"


def test_classes_of_neurons(open_page, warehouse):
    app = open_page("search", warehouse, by="class", rows="1000")
    for name in app.selectbox(key="search_name").options:
        run(app.selectbox(key="search_name").set_value(name))
        there = warehouse.sql(
            "select site, layer, neuron, evidence from neuron_classes where class = $1", params=[name]
        ).fetchall()
        rows = found_by(app) if app.dataframe else []
        assert sorted((row["site"], row["layer"], row["neuron"], row["evidence"]) for row in rows) == sorted(there)
        assert bool(rows) or "No neuron is found" in app.info[0].value


def test_concepts(open_page, knowledge):
    app = open_page("search", knowledge, by="concept", dataset="a", concept=CONCEPTS[6], model="bert@step20")
    rows = found_by(app)
    stored = knowledge.sql(
        "select layer, neuron from knowledge_neurons where model = 'bert' and checkpoint = 'step20' and dataset = 'a' "
        "and concept = $1 order by attribution desc, layer, neuron",
        params=[CONCEPTS[6]],
    ).fetchall()
    assert [(row["layer"], row["neuron"]) for row in rows] == stored
    assert all(row["open"] for row in rows)  # of a model that was run over no corpus, too
    assert "c06" not in written(app)
    best = queries.knowledge.best_known(knowledge, "bert", "a", "main").rows[0][0]
    assert open_page("search", knowledge, by="concept").selectbox(key="search_concept").value == best


def test_a_stored_sentence_fires_as_much_as_it_did_in_the_job(open_page, warehouse, tiny_bert):
    """The row of a neuron on a sentence's text has the activation that the job stored, scaled by stored moments."""
    (text, sentence_id), *_ = warehouse.sql(
        "select text, sentence_id from neuron_sentences where site = 'ffn' and corpus = 'plain' and rank = 1"
    ).fetchall()
    app = open_page("search", warehouse, by="text", text=text, site="ffn", rows="1000")
    rows = {(row["layer"], row["neuron"]): row for row in found_by(app)}
    assert len(rows) == 3 * 24
    assert app.dataframe[0].value["z"].is_monotonic_decreasing
    stored = warehouse.sql(
        "select layer, neuron, activation from neuron_topk where sentence_id = $1 and site = 'ffn'",
        params=[sentence_id],
    ).fetchall()
    assert stored
    for layer, neuron, activation in stored:
        assert rows[layer, neuron]["activation"] == pytest.approx(activation, rel=1e-4, abs=1e-5)
    model = load(str(tiny_bert), name="tiny", device="cpu")
    for layer, neuron in ((0, 0), (2, 23)):
        (of,) = activations_at_tokens(model, Neuron("tiny", "main", "ffn", layer, neuron), [text])
        ordinary = [i for i, special in enumerate(of.special) if not special]
        start, end = of.spans[max(ordinary, key=lambda i: of.activations[i])]
        assert rows[layer, neuron]["token"] == text[start:end]
    run(app.text_area(key="search_text").set_value("cat"))
    assert not app.warning
    assert {row["token"] for row in found_by(app)} == {"cat"}
    assert any("fewer than 3 tokens" in each.value for each in app.caption)
    run(app.text_area(key="search_text").set_value("the cat " * 100))
    assert any("were not read" in each.value for each in app.caption)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(open_page, warehouse, text):
    app = open_page("search", warehouse, by="text", text=text)
    assert found_by(app)
    assert app.text_area(key="search_text").value == text
    assert not any(part in written(app) for part in ("script", "onerror", "$x", "__The"))


def test_a_bad_address_is_explained_and_has_a_way_out(open_page, warehouse):
    app = open_page("search", warehouse, by="word", pattern="the", model="![x](y)", layers="<b>", q="7", lift="0")
    said = app.error[0].value
    assert "model `![x](y)` is not here: there is `tiny@main`" in said
    assert "layers `<b>`" in said
    assert "q `7` is not here: it is a number from 0 to 1" in said
    assert not app.dataframe
    press(app, "Search without it")
    assert not app.error
    assert app.query_params == {"by": "word", "pattern": "the", "lift": "0"}


def test_explanations_are_searched_for_by_their_words(open_page, warehouse, tmp_path):
    from nwh.ingest.explanations.halves import ExplanationSettings
    from nwh.ingest.explanations.job import ingest_explanations

    made = copied(warehouse.storage.uri, tmp_path / "explained")
    ingest_explanations(made, "tiny", "main", ExplanationSettings(), corpora=["plain"], sites=["ffn"], layers=[1])
    rows = found_by(open_page("search", made, by="explanation", pattern="WITH sentences"))
    stored = made.sql(
        "select neuron, explanation, auroc from neuron_explanations where explanation like 'Sentences with%' "
        "order by auroc desc, neuron"
    ).fetchall()
    assert [(row["neuron"], row["explanation"], row["auroc"]) for row in rows] == stored
    assert len(stored) > 1
    assert "No neuron is found" in written(open_page("search", made, by="explanation", pattern="with elephants"))
    neuron, explanation, auroc = stored[0]
    place = {"model": "tiny", "site": "ffn", "layer": "1", "neuron": str(neuron), "tokens": "off"}
    (line,) = (each.value for each in open_page("neuron", made, **place).markdown if explanation in each.value)
    assert line.startswith(f"`{explanation}` (`template`, AUROC of a judge who knows it alone {auroc:.2f}")


def test_search_over_an_empty_warehouse_names_the_commands(open_page, tmp_path):
    made = Warehouse.create(tmp_path / "empty")
    for by in ("word", "metadata", "concept", "class", "explanation"):
        app = open_page("search", made, by=by)
        assert commands(app)[0].startswith(f"nwh --warehouse {made.storage.uri} ingest ")
        assert "ingest patterns" in commands(app)[0] or by != "word"
        assert not app.dataframe


@pytest.mark.parametrize(
    "wanted",
    [
        Search(),
        Search("word", "the king", model="m@c", site="ffn", scope="a+b", layers="2-5", pole="bottom", lift=0.0, q=1e-9),
        Search("metadata", key="a&b", value="**x**", rows=7),
        Search("concept", dataset="d", concept="`c`"),
        Search("class", name="dead"),
        Search("text", text="a = b & c\n"),
    ],
)
def test_an_address_restores_the_search(wanted):
    assert search_address.read(wanted.address, ["m@c"]) == (wanted, [])


# -- SQL ---------------------------------------------------------------------------------------------------


def test_a_statement_in_the_address_is_run(open_page, warehouse):
    app = open_page("sql_page", warehouse, query="select corpus, n_sentences from corpora order by 1", rows="1")
    assert app.dataframe[0].value.to_dict("records") == [{"corpus": "hostile", "n_sentences": 6}]
    assert any("**1 row** in" in each.value and "There are more" in each.value for each in app.markdown)
    assert app.text_area(key="sql_query").value.startswith("select corpus")
    assert {"CSV", "Parquet", "JSON"} <= set(files(app))
    app.number_input(key="sql_rows").set_value(1000)
    app.text_area(key="sql_query").set_value("select text from sentences where corpus = 'hostile' order by sentence_id")
    press(app, "Run")
    assert app.query_params == {"query": "select text from sentences where corpus = 'hostile' order by sentence_id"}
    assert app.dataframe[0].value["text"].to_list() == HOSTILE * 2
    assert not any(part in written(app) for part in ("script", "onerror", "$x"))


def test_what_is_typed_stays_while_the_dictionary_is_searched(open_page, warehouse):
    app = open_page("sql_page", warehouse)
    assert "Write a statement" in app.info[0].value
    assert app.text_area(key="sql_query").proto.set_value
    run(app.text_input(key="sql_find").set_value("lift"))
    assert not app.text_area(key="sql_query").proto.set_value  # the browser keeps what is in its editor
    assert app.query_params == {"find": "lift"}
    (shown,) = (element.value for element in app.get("html") if "<details" in element.value)
    assert "<b>neuron_patterns</b>" in shown
    assert "<b>corpora</b>" not in shown


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select <b>bold</b>", "Parser Error"),
        ("drop view corpora", "one statement that reads"),
        ("select * from read_text('/etc/passwd')", "Permission Error"),
        ("select count(*) from range(1_000_000) a, range(1_000_000) b where hash(a.range, b.range) = 1", "stopped"),
    ],
)
def test_errors_are_plain_text(open_page, warehouse, query, said):
    app = open_page("sql_page", warehouse, query=query, seconds="1")
    assert said in app.code[0].value
    assert "bold" not in written(app)
    assert not app.dataframe


def test_a_result_can_be_a_chart(open_page, warehouse):
    query = 'select corpus as "a.b[c]", n_sentences as "<i>n</i>", n_documents from corpora order by 1'
    app = open_page("sql_page", warehouse, query=query, shown="bar")
    ((spec, rows),) = charts(app)
    assert [(row["x"], row["y"]) for row in rows] == [("hostile", 6), ("plain", 60)]
    assert (spec["encoding"]["x"]["title"], spec["encoding"]["y"]["title"]) == ("a.b[c]", "<i>n</i>")
    run(app.selectbox(key="sql_y").set_value("n_documents"))
    run(app.selectbox(key="sql_colour").set_value("a.b[c]"))
    assert (app.query_params["y"], app.query_params["colour"]) == ("n_documents", "a.b[c]")
    app = open_page("sql_page", warehouse, **app.query_params)
    ((spec, rows),) = charts(app)
    assert rows[0]["colour"] == "hostile"
    assert spec["encoding"]["y"]["title"] == "n_documents"
    for mark in ("line", "scatter"):
        app = open_page("sql_page", warehouse, query="select range as x, range ^ 2 as y from range(5)", shown=mark)
        ((spec, rows),) = charts(app)
        assert [row["y"] for row in rows] == [0, 1, 4, 9, 16]
    app = open_page("sql_page", warehouse, query="select corpus from corpora", shown="bar")
    assert "column of numbers" in app.info[0].value


def test_examples_are_statements_that_read(open_page, warehouse):
    app = open_page("sql_page", warehouse)
    press(app, next(finding.title for finding in sql_page.FINDINGS if "class_neurons" in finding.sql))
    assert "class_neurons" in app.query_params["query"]
    assert not app.error
    limited = limited_sql.open_limited(warehouse.storage.uri)
    for query in (finding.sql for finding in sql_page.FINDINGS):
        assert limited_sql.run(limited, query, 10, 60).columns


def test_a_bad_sql_address_is_explained(open_page, warehouse):
    app = open_page("sql_page", warehouse, query="select 1 as a", rows="<b>", shown="pie", seconds="3600")
    assert "rows `<b>` is not here: it is a number from 1 to 10000" in app.error[0].value
    assert "shown `pie`" in app.error[0].value
    press(app, "Go on without it")
    assert app.query_params == {"query": "select 1 as a"}
    assert app.dataframe[0].value.to_dict("records") == [{"a": 1}]


def test_the_dictionary_finds_names_columns_and_words():
    everything = re.findall(r"<summary><b>(\w+)</b>", dictionary())
    assert sorted(everything) == sorted([*RELATIONS, *(question.name for question in sql_files())])
    by_column = re.findall(r"<summary><b>(\w+)</b>", dictionary("heldout_auroc"))
    assert {"neuron_patterns", "pattern_neurons"} <= set(by_column)
    assert "corpora" not in by_column
    assert re.findall(r"<summary><b>(\w+)</b>", dictionary("top_sentences"))[0] == "top_sentences"
    assert "<details open>" in dictionary("top_sentences corpora k union")
    hostile = dictionary("<script>alert(1)</script>")
    assert "<script>" not in hostile
    assert html.unescape(hostile).count("<script>") == 1
