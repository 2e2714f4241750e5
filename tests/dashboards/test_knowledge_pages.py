"""The pages of knowledge neurons as Streamlit runs them, over hand-made rows."""

from __future__ import annotations

import html
import json
import re
from statistics import median
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards.parts import knowledge
from nwh.warehouse import Warehouse
from tests.conftest import copied
from tests.dashboards.shown import commands, tables
from tests.sql.knowledge_rows import CONCEPTS, STEPS, Rows, columns

HOSTILE = CONCEPTS[6]
CHOSEN = {"model": "bert", "dataset": "a", "concept": "c12", "checkpoint": "step20", "operation": "double"}
CHOSEN |= {"frequency": "given"}
BERT = "where model = 'bert' and dataset = 'a'"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
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


def charts(app):
    """Return title -> rows of every chart."""
    found = {}
    for element in app.get("vega_lite_chart"):
        spec = json.loads(element.proto.spec)
        title = spec.get("title") or spec["layer"][0]["title"]
        datasets = [dataset.data.data for dataset in element.proto.datasets] or [element.proto.data.data]
        found[title] = pa.ipc.open_stream(datasets[0]).read_all().to_pylist()
        axes = re.findall(r'"[xy]": (\{.*?"type": "\w+"\})', element.proto.spec)
        assert axes
        assert any('"title"' in axis for axis in axes), title
    return found


def frame(app, column):
    """Return the rows of the table that has a column."""
    return next(rows for rows in tables(app) if column in rows[0])


def stored(warehouse, query):
    return warehouse.sql(query).pl().to_dicts()


def by(rows, *names):
    """Return the last of the named columns by the others."""
    return {tuple(row[name] for name in names[:-1]): row[names[-1]] for row in rows}


def same(drawn, rows, *names):
    """Whether two lists of rows hold the same figures, up to the order of summation."""
    return len(drawn) == len(rows) > 0 and by(drawn, *names) == pytest.approx(by(rows, *names))


def test_the_concept_page_shows_the_rows_of_the_concept(open_page, warehouse):
    app = open_page("concepts", warehouse, **CHOSEN, t="0.3", p="0.25")
    assert {box.key: box.value for box in app.selectbox if box.key}.items() <= CHOSEN.items()
    assert [slider.value for slider in app.slider] == [0.3, 0.25]
    assert app.selectbox(key="checkpoint").options == ["step0", "step9", "step20", "step100", "main"]
    shown = charts(app)
    where = f"{BERT} and concept = '{CHOSEN['concept']}'"
    query = "select checkpoint, probability, rank from prompt_scores join prompts using (dataset, prompt_id)"
    scores = stored(warehouse, f"{query} {where}")
    for title in ("Probability of the answer", "Rank of the answer in the vocabulary (1 = first)"):
        drawn = [{name: row[name] for name in ("checkpoint", "probability", "rank")} for row in shown[title]]
        assert sorted(map(str, drawn)) == sorted(map(str, scores))
    there = stored(warehouse, f"from knowledge_neurons_at(0.3, 0.25) {where} and checkpoint = 'step20'")
    assert same(shown[f"{len(there)} contributing neurons"], there, "layer", "neuron", "share", "attribution")
    for operation in ("zero", "double"):
        bars = by(shown[f"Answers before and after: {operation}"], "polarity", "arm", "when", "probability")
        query = f"from relative_change {where} and checkpoint = 'step20' and operation = '{operation}'"
        for row in stored(warehouse, query):
            assert bars.pop((row["polarity"], row["arm"], "before")) == pytest.approx(row["p_before"])
            assert bars.pop((row["polarity"], row["arm"], "after")) == pytest.approx(row["p_after"])
        assert not bars
    assert len(frame(app, "relative change, %")) == 8


def test_contributing_neurons_lead_to_their_pages(open_page, warehouse):
    """No activations are stored: these pages tell which concepts a neuron contributes to."""
    app = open_page("concepts", warehouse, **CHOSEN, t="0.3", p="0.25")
    rows = frame(app, "selected by")
    assert rows
    for row in rows:
        at = {"model": "bert@step20", "site": "ffn", "layer": row["layer"], "neuron": row["neuron"]}
        assert row["page"] == f"neuron?{urlencode(at)}"
    box = next(box for box in app.selectbox if box.label == "Open a neuron")
    assert box.options == [f"bert@step20/ffn/{row['layer']}/{row['neuron']}" for row in rows]
    app = open_page("formation", warehouse, **CHOSEN)
    assert all(row["page"].startswith("neuron?model=bert%40step20") for row in frame(app, "concepts"))
    boxes = [box for box in app.selectbox if box.label == "Open a neuron"]
    assert len(boxes) == 2
    assert boxes[1].options[0].startswith("bert@step100/ffn/")
    (link,) = [link.proto for link in app.get("page_link") if link.proto.page == "concept"]
    assert dict(parse_qsl(link.query_string)) == CHOSEN
    at = dict(parse_qsl(rows[0]["page"].partition("?")[2]))
    app = open_page("neuron", warehouse, **at)
    assert app.title[0].value == f"ffn/{rows[0]['layer']}/{rows[0]['neuron']}"
    assert not app.error
    link = knowledge.KnowledgeAddress("bert", CHOSEN["dataset"], CHOSEN["concept"], "").link.partition("&checkpoint")[0]
    assert any(html.escape(link) in each.value for each in app.get("html"))
    assert "run over no corpus" in " ".join(each.value for each in app.caption)
    assert not [box for box in app.multiselect if box.label == "Corpora"]


def test_without_a_name_the_concept_is_the_one_known_best(open_page, warehouse):
    at = {"model": "bert", "dataset": "a", "checkpoint": "step20"}
    app = open_page("concepts", warehouse, **at)
    ranks = {}
    scores = "select concept, rank from prompt_scores join prompts using (dataset, prompt_id)"
    for row in stored(warehouse, f"{scores} {BERT} and checkpoint = 'step20'"):
        ranks.setdefault(row["concept"], []).append(row["rank"])
    best = min(median(of) for of in ranks.values())
    assert median(ranks[app.selectbox(key="concept").value]) == best
    app = open_page("concepts", warehouse)
    assert app.selectbox(key="model").value == "bert"  # of most checkpoints, with interventions


def test_the_formation_page_shows_curves_with_their_intervals(open_page, warehouse):
    app = open_page("formation", warehouse, **CHOSEN)
    shown = charts(app)
    for title, figure in {
        "Probability": "probability",
        "Neurons per concept": "neurons per concept",
        "Specific effect under double": "specific effect",
    }.items():
        of = "operation = 'double'" if figure == "specific effect" else "operation is null"
        rows = warehouse.sql(f"from training_curves {BERT} and figure = $1 and {of}", [figure]).pl().to_dicts()
        for column in ("mean", "low", "high"):
            assert same(shown[title], rows, "checkpoint", column)
    overlaps = [
        row for row in shown["Overlap of the neurons that two prompts select"] if row["prompts"] == "one concept"
    ]
    rows = warehouse.sql(f"from training_curves {BERT} and starts_with(figure, 'overlap of one')").pl().to_dicts()
    assert same(overlaps, rows, "checkpoint", "low")
    learned = f"from formation {BERT} and operation = 'double' and lead is not null and last_rank <= 10"
    there = stored(warehouse, learned)
    assert len(shown["When concepts are known and their neurons matter, under double"]) == len(there) > 0
    rows = stored(warehouse, f"from hidden_knowledge {BERT} and checkpoint = 'step20'")
    hidden = sum(row["n_neurons"] == 0 and row["n_selected"] > 0 for row in rows)
    assert any(f"leaves {hidden} of {len(rows)} concepts" in caption.value for caption in app.caption)


def test_the_concept_page_shows_the_effect_of_its_neurons_with_intervals(open_page, warehouse):
    shown = charts(open_page("concepts", warehouse, **CHOSEN))
    query = f"from specific_effect {BERT} and concept = 'c12' and operation = 'zero' and specific_effect is not null"
    for column in ("specific_effect", "low", "high"):
        assert same(shown["Specific effect under zero"], stored(warehouse, query), "checkpoint", column)


def test_widgets_change_the_address(open_page, warehouse):
    app = open_page("concepts", warehouse, **CHOSEN)
    run(app.slider(key="t").set_value(0.5))
    assert app.query_params == {**CHOSEN, "t": "0.5"}
    run(app.selectbox(key="concept").set_value("c01"))
    assert app.query_params == {**CHOSEN, "concept": "c01", "t": "0.5"}
    run(app.selectbox(key="dataset").set_value("b"))
    assert app.query_params["concept"] == "c01"
    run(app.selectbox(key="model").set_value("solo"))  # has neither data set b nor step20 nor the operation lost
    assert app.query_params == {**CHOSEN, "model": "solo", "concept": "c01", "checkpoint": "main", "t": "0.5"}
    run(app.slider(key="t").set_value(0.2))
    assert "t" not in app.query_params


def test_the_formation_page_draws_changes_counts_and_layers(open_page, warehouse):
    shown = charts(open_page("formation", warehouse, **CHOSEN))
    for polarity in ("positive", "negative"):
        query = f"from relative_change_distribution {BERT} and operation = 'double' and polarity = '{polarity}'"
        view = stored(warehouse, query)
        assert len(view) == 5 * 2
        for figure in ("median", "q05", "q95"):
            drawn = shown[f"Relative change under double, {polarity} prompts"]
            assert same(drawn, view, "checkpoint", "arm", figure)
    drawn = shown["Neurons per concept: mean and quartiles"]
    query = f"select checkpoint, avg(n_neurons) as mean from knowledge_neurons_per_concept {BERT} group by all"
    assert same(drawn, stored(warehouse, query), "checkpoint", "mean")
    assert [row["checkpoint"] for row in drawn] == ["step0", "step9", "step20", "step100", "main"]
    drawn = shown["Contributing neurons by layer"]
    view = stored(warehouse, f"from knowledge_neuron_layers {BERT}")
    assert same(drawn, view, "checkpoint", "layer", "per_concept")
    drawn = shown["Mean attribution of contributing neurons by layer"]
    view = stored(warehouse, f"from attribution_by_layer {BERT}")
    assert same(drawn, view, "checkpoint", "layer", "mean")


def test_the_formation_page_draws_sharing_and_stability(open_page, warehouse):
    app = open_page("formation", warehouse, **CHOSEN)
    shown = charts(app)
    drawn = {row["n_concepts"]: row["n_neurons"] for row in shown["Concepts per neuron at step20"]}
    there = stored(warehouse, f"from concepts_per_neuron {BERT} and checkpoint = 'step20'")
    assert sum(drawn.values()) == len(there)
    assert sum(n * count for n, count in drawn.items()) == sum(row["n_concepts"] for row in there)
    most = frame(app, "concepts")[0]
    assert int(most["number"]) == max(drawn) == len(most["concepts"].split(", "))
    drawn = shown["Neurons of step100 that contribute at each checkpoint"]
    view = stored(warehouse, f"select *, share_found as share from knowledge_neuron_stability {BERT}")
    of_concept = [row for row in view if row["concept"] == CHOSEN["concept"]]
    assert same([row for row in drawn if row["of"] == CHOSEN["concept"]], of_concept, "checkpoint", "share")
    at_20 = [row["share"] for row in view if row["checkpoint"] == "step20" and row["share"] is not None]
    (mean,) = (row["share"] for row in drawn if row["of"] != CHOSEN["concept"] and row["checkpoint"] == "step20")
    assert mean == pytest.approx(sum(at_20) / len(at_20))
    drawn = shown[f"When the last checkpoint's neurons of {CHOSEN['concept']} contribute"]
    kept = stored(warehouse, f"from knowledge_neuron_persistence {BERT} and concept = '{CHOSEN['concept']}'")
    assert {row["place"] for row in drawn} == {f"{row['layer']}/{row['neuron']}" for row in kept}
    assert kept
    drawn = shown["Shared contributing neurons of two checkpoints, mean over concepts"]
    view = stored(warehouse, f"from checkpoint_overlap {BERT}")
    assert same(drawn, view, "checkpoint_a", "checkpoint_b", "jaccard")


def test_the_formation_page_draws_frequencies(open_page, warehouse):
    app = open_page("formation", warehouse, **CHOSEN)
    shown = charts(app)
    drawn = shown["Rank change under double at step20, by frequency"]
    known = f"join concepts using (dataset, concept) {BERT} and frequency is not null"
    arm = "operation = 'double' and arm = 'contributing' and polarity = 'positive' and checkpoint = 'step20'"
    view = stored(warehouse, f"from rank_change {known} and {arm}")
    assert same(drawn, view, "concept", "frequency", "rank_change")
    assert len(shown["Rank change under double: the ten most and ten least frequent concepts"]) == 5 * 2 * 2
    drawn = shown["First checkpoint that has the answer in the top 10, by frequency"]
    view = stored(warehouse, f"from acquisition {known}")
    reached = [row for row in view if row["checkpoint"]]
    assert by(drawn, "concept", "frequency", "checkpoint") == by(reached, "concept", "frequency", "checkpoint")
    missing = f"{len(view) - len(reached)} of {len(view)} concepts are not acquired"
    assert any(missing in caption.value for caption in app.caption)
    assert len(frame(app, "p")) == 2 * (1 + 5)
    title = "Correlation of frequency and rank change under zero"
    view = stored(warehouse, f"from frequency_correlation {BERT} and checkpoint is not null")
    assert same(shown[title], view, "frequency_source", "checkpoint", "correlation")

    run(app.selectbox(key="frequency").select("concepts in text"))
    assert app.query_params["frequency"] == "concepts in text"
    drawn = charts(app)["Rank change under double at step20, by frequency"]
    view = stored(warehouse, f"from rank_change join concept_counts using (dataset, concept) {BERT} and {arm}")
    assert same(drawn, [{**row, "frequency": row["n_sentences"]} for row in view], "concept", "frequency")


@pytest.mark.parametrize("page", ["concepts", "formation"])
def test_text_from_prompts_stays_text(open_page, warehouse, page):
    app = open_page(page, warehouse, **{**CHOSEN, "concept": HOSTILE})
    assert charts(app)
    written = [element.value for element in [*app.markdown, *app.caption, *app.info]]
    assert any(f"` {HOSTILE} `" in text or f"`{HOSTILE}`" in text for text in written) or page == "formation"
    outside = " ".join(re.sub(r"`[^`]*`", "", text) for text in written)
    assert not any(part in outside for part in ("<", "**", "$"))
    shown = [html.value for html in app.get("html")]
    assert not any("<i>" in html for html in shown)
    assert any("&lt;i&gt;c06" in html for html in shown)


@pytest.mark.parametrize("page", ["concepts", "formation"])
def test_a_bad_address_is_explained_and_has_a_way_out(open_page, warehouse, page):
    app = open_page(page, warehouse, **{**CHOSEN, "concept": "**x**", "dataset": "![y](z)"}, t="7", p="one")
    said = app.error[0].value
    assert "dataset `![y](z)` is not here: `bert` was run on `a`, `b`" in said
    assert "concept `**x**`" in said
    assert "t `7` is not here: it is a number from 0.05 to 1" in said
    assert "p `one`" in said
    assert not app.get("vega_lite_chart")
    run(next(button for button in app.button if button.label.startswith("Show")).click())
    assert not app.error
    assert app.query_params == {**CHOSEN, "concept": sorted(CONCEPTS)[0]}
    assert charts(app)


@pytest.mark.parametrize("page", ["concepts", "formation"])
def test_without_neurons_interventions_or_steps_the_pages_say_so(open_page, warehouse, page):
    app = open_page(page, warehouse, model="untrained")
    assert "ingest interventions --model MODEL" in commands(app)[0]
    assert any("No neuron" in info.value for info in app.info)
    assert len(app.get("vega_lite_chart")) >= 2
    app = open_page(page, warehouse, model="solo", dataset="a", concept="c07")
    assert app.selectbox(key="checkpoint").options == list(STEPS["solo"])
    assert len(app.get("vega_lite_chart")) >= 3
    assert not commands(app)
    if page == "formation":
        assert "one checkpoint only" in app.caption[0].value


def test_the_formation_page_says_so_where_checkpoints_have_different_rules(open_page, warehouse, tmp_path):
    assert not open_page("formation", warehouse, model="bert").warning
    made = copied(warehouse.storage.uri, tmp_path / "copy")
    names = ("rule", "prompt_id", "layer", "evaluations", "max_attribution", "completeness_error")
    with made.run("knowledge", {"model": "bert"}, {}) as run:
        place = {"model": "bert", "checkpoint": "step20", "dataset": "a"}
        run.write("attribution_quality", place, columns(names, [("relp", 1, 0, 1, 0.5, None)]))
    (said,) = (warning.value for warning in open_page("formation", made, model="bert", dataset="a").warning)
    assert "adaptive at `step0`, `step9`, `step100`, `main`; relp at `step20`" in said


@pytest.mark.parametrize("page", ["concepts", "formation"])
def test_an_empty_warehouse_says_what_fills_it(open_page, tmp_path, page):
    made = Warehouse.create(tmp_path / "empty")
    app = open_page(page, made)
    for command in ("prompts FILE --dataset NAME", "attributions --model MODEL", "interventions --model MODEL"):
        assert f"nwh --warehouse {made.storage.uri} ingest {command}" in commands(app)[0]
    assert not app.get("vega_lite_chart")
