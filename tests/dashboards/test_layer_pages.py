"""The pages on layers, maps of neurons and pairs of checkpoints as Streamlit runs them, over hand-made rows."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from nwh.dashboards.charts import layer_charts
from nwh.warehouse import Warehouse
from nwh.warehouse.queries.search import Aggregation
from tests.dashboards.shown import commands, tables
from tests.dashboards.test_knowledge_pages import charts, frame, run, same
from tests.sql.layer_rows import GROUPS, HOSTILE, LAYERS, SETS, WIDTHS, Rows

PAGES = ["layers", "neuron_map", "comparison"]
LAYERS_AT = {"model": "base@main", "site": "ffn", "corpus": "tweets", "figure": "std", "scope": "news+tweets"}
MAP_AT = {"model": "base@main", "site": "hidden", "scope": "news", "layer": "0", "colour": "cluster", "cluster": "1"}
PAIR_AT = {"before": "base@main", "after": "tuned@step9", "set": "news/train", "matches": "hidden/news"}
AT = dict(zip(PAGES, (LAYERS_AT, MAP_AT, PAIR_AT), strict=True))


@pytest.fixture(scope="module")
def rows():
    return Rows()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, rows):
    return rows.write(tmp_path_factory.mktemp("across") / "warehouse")


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


def link(app):
    """Return page and address of the link to a neuron."""
    (found,) = app.get("page_link")
    return found.proto.page, {name: values[0] for name, values in parse_qs(found.proto.query_string).items()}


def test_the_layers_page_draws_every_neuron(open_page, warehouse, rows):
    app = open_page("layers", warehouse, **LAYERS_AT | {"figure": "mean"})
    shown = charts(app)
    drawn = shown["Mean activation, by layer and dimension"]
    there = [
        {"layer": layer, "neuron": neuron, "value": value}
        for (layer, neuron), value in rows.stats["base", "ffn", "tweets"].items()
    ]
    assert same(drawn, there, "layer", "neuron", "value")
    assert set(drawn[0]) == {"layer", "neuron", "value"}
    assert len(shown["Correlation over dimensions"]) == len(frame(app, "p")) == LAYERS * (LAYERS - 1) / 2
    names = ("layer", "k", "sse", "n_vectors")
    there = [dict(zip(names, row, strict=True)) for row in rows.curves["ffn", "news+tweets"]]
    assert same(shown["What clusters leave unexplained, by layer"], there, "layer", "k", "sse")
    assert not app.get("page_link")


def test_neurons_too_many_to_draw_are_merged_to_the_farthest_of_neighbours(monkeypatch):
    monkeypatch.setattr("nwh.dashboards.charts.layer_charts.MOST_CELLS", 10)
    values = {(0, 0): 5, (0, 1): 1, (0, 4): 3, (0, 7): -9, (0, 8): 2, (1, 3): 4, (1, 4): 4.5, (1, 8): 2.5}
    rows = [{"layer": layer, "neuron": neuron, "value": value} for (layer, neuron), value in values.items()]
    shown, step = layer_charts.merged(rows, n_layers=2, n_neurons=9)
    assert step == 2  # 2 x 5 cells
    assert [(row["layer"], row["neuron"]) for row in shown] == [(0, 0), (0, 4), (0, 7), (0, 8), (1, 3), (1, 4), (1, 8)]
    assert layer_charts.merged(rows, n_layers=2, n_neurons=11)[1] == 4  # not 2: a narrower cell is one too
    shown, step = layer_charts.merged(rows, n_layers=2, n_neurons=25)
    assert step == 8  # the median is 2.75
    assert [(row["layer"], row["neuron"]) for row in shown] == [(0, 7), (0, 8), (1, 4), (1, 8)]


def test_a_picked_neuron_is_linked_to(open_page, warehouse):
    app = open_page("layers", warehouse, **LAYERS_AT, neuron="2/14")
    place = {"model": "base@main", "site": "ffn", "layer": "2", "neuron": "14"}
    assert link(app) == ("neuron", place)
    app = open_page("neuron_map", warehouse, **{**MAP_AT, "layer": "1"}, neuron="1/5")
    assert link(app) == ("neuron", {**place, "site": "hidden", "layer": "1", "neuron": "5"})
    at = LAYERS_AT | {"corpus": "news", "figure": f"share:topic={HOSTILE}"}
    (found,) = open_page("layers", warehouse, **at, neuron="2/14").get("page_link")
    assert HOSTILE not in re.sub(r"`[^`]*`", "", found.proto.label)
    app = open_page("layers", warehouse, **LAYERS_AT, neuron="2/15")
    assert not app.get("page_link")
    assert any("Neuron `2/15` is not in this picture" in caption.value for caption in app.caption)


def test_what_does_not_vary_or_is_missing_is_said(open_page, warehouse):
    app = open_page("layers", warehouse, **{**LAYERS_AT, "model": "tuned@step9"} | {"scope": ""})
    assert any("no correlation" in info.value for info in app.info)  # the hand-made std is 1 everywhere
    assert "ingest clusters --model MODEL --site ffn" in commands(app)[0]
    at = {"model": "base@main", "site": "hidden", "corpus": "news", "figure": f"share:topic={HOSTILE}"}
    app = open_page("layers", warehouse, **at)
    assert any("1 neurons do not have the figure" in caption.value for caption in app.caption)


def test_the_map_draws_clusters_and_what_sets_one_apart(open_page, warehouse, rows):
    app = open_page("neuron_map", warehouse, **MAP_AT)
    title = f"{WIDTHS['hidden']} neurons of layer 0 in {GROUPS} clusters"
    names = ("layer", "neuron", "k", "cluster", "x", "y")
    there = [dict(zip(names, row, strict=True)) for row in rows.clusters["hidden", "news"] if row[0] == 0]
    for column in ("cluster", "x", "y"):
        assert same(charts(app)[title], there, "neuron", column)
    assert frame(app, "of the others")[0]["pattern"] == f"{HOSTILE} it"
    app = open_page("neuron_map", warehouse, **MAP_AT | {"colour": "share:topic=money"})
    drawn = charts(app)[title]
    assert [row["neuron"] for row in drawn if row["value"] is None] == [0]
    assert {row["value"] for row in drawn[1:]} <= {i / 8 for i in range(9)}
    assert commands(open_page("neuron_map", warehouse, **MAP_AT | {"cluster": "2"}))  # how to make patterns
    at = {name: value for name, value in MAP_AT.items() if name != "cluster"}
    app = open_page("neuron_map", warehouse, **at, neuron="0/5")
    assert app.selectbox(key="cluster").value == "2"


def test_the_comparison_page_shows_distances_moved_neurons_and_matches(open_page, warehouse, rows):
    app = open_page("comparison", warehouse, **PAIR_AT)
    shown = charts(app)
    table = frame(app, "Manhattan distance")
    assert {(row["corpus"], row["split"]): int(row["sentences"]) for row in table} == SETS
    for column, measure in ((1, "manhattan"), (2, "euclidean")):
        drawn = shown[f"Mean {measure.capitalize()} distance by layer"]
        there = {("/".join(of), row[0]): row[column] for of, found in rows.by_layer.items() for row in found}
        assert {(row["set_name"], row["layer"]): row[measure] for row in drawn} == pytest.approx(there)
    change = "absolute change / std before"
    moved = frame(app, change)
    assert len(moved) == LAYERS * WIDTHS["hidden"]
    assert float(moved[0][change]) == max(float(row[change]) for row in moved)
    for when, model in (("before", "base@main"), ("after", "tuned@step9")):
        address = urlsplit(moved[0][f"page {when}"])
        place = {"model": model, "site": "hidden", "layer": moved[0]["layer"], "neuron": moved[0]["neuron"]}
        assert (address.path, {k: v[0] for k, v in parse_qs(address.query).items()}) == ("neuron", place)
    assert {row["basis"] for row in shown["Neurons by their highest correlation"]} == {"best partner", "rotated basis"}
    assert len(shown["Neurons whose partner exceeds the rotated basis"]) == LAYERS


def test_distances_have_a_yardstick(open_page, warehouse, rows, monkeypatch):
    how = Aggregation("mean", False, ("news",))
    monkeypatch.setattr("nwh.warehouse.queries.search.aggregation", lambda warehouse, extent: how)
    drawn = charts(open_page("comparison", warehouse, **PAIR_AT))["Distance by layer, against that of two sentences"]
    apart = (2 * WIDTHS["hidden"]) ** 0.5  # every neuron has a standard deviation of 1
    of_news = {place: found for place, found in rows.by_layer.items() if place[0] == "news"}
    there = {("/".join(of), row[0]): row[2] / apart for of, found in of_news.items() for row in found}
    assert {(row["set_name"], row["layer"]): row["share"] for row in drawn} == pytest.approx(there)
    monkeypatch.setattr("nwh.warehouse.queries.search.aggregation", lambda *_: Aggregation("max", False, ("news",)))
    st.cache_data.clear()
    assert not [title for title in charts(open_page("comparison", warehouse, **PAIR_AT)) if "two sentences" in title]


def test_partners_that_are_lost_or_moved_are_named(open_page, warehouse):
    app = open_page("comparison", warehouse, **PAIR_AT)
    stored = warehouse.sql(
        "select layer, neuron, other_layer, other_neuron, correlation from neuron_matches "
        "where model = 'base' and checkpoint = 'main' and other_model = 'tuned' and other_checkpoint = 'step9' "
        "and site = 'hidden' and scope = 'news' and correlation is not null"
    ).fetchall()
    lost, moved = [rows for rows in tables(app) if "partner" in rows[0]]
    worst = sorted(stored, key=lambda row: (row[4], row[:2]))[: len(lost)]
    assert [(int(row["layer"]), int(row["neuron"])) for row in lost] == [row[:2] for row in worst]
    elsewhere = [row for row in stored if row[:2] != row[2:4]]
    best = sorted(elsewhere, key=lambda row: (-row[4], row[:2]))[: len(moved)]
    assert [tuple(int(row[name]) for name in ("layer", "neuron", "partner's layer", "partner")) for row in moved] == [
        row[:4] for row in best
    ]
    for row in moved:
        partner = {name: values[0] for name, values in parse_qs(urlsplit(row["partner's page"]).query).items()}
        at = {"site": "hidden", "layer": row["partner's layer"], "neuron": row["partner"]}
        assert partner == {"model": "tuned@step9", **at}


def test_widgets_change_the_address_and_what_no_longer_fits_moves(open_page, warehouse):
    app = open_page("layers", warehouse, **LAYERS_AT, neuron="2/14")
    run(app.selectbox(key="figure").set_value("verbs"))
    assert app.query_params == {**LAYERS_AT, "figure": "verbs"}
    run(app.selectbox(key="corpus").set_value("news"))  # has no annotations
    assert not app.error
    assert app.query_params == {**LAYERS_AT, "corpus": "news", "figure": "mean"}
    app = open_page("comparison", warehouse)
    nearest = app.selectbox(key="set").options[-1]  # the farthest comes first
    run(app.selectbox(key="set").set_value(nearest))
    assert app.query_params == {**PAIR_AT, "set": nearest}


@pytest.mark.parametrize("page", PAGES)
def test_a_bad_address_is_explained_and_has_a_way_out(open_page, warehouse, page):
    first, second = list(AT[page])[:2]
    app = open_page(page, warehouse, **{**AT[page], first: "**x**", second: "![y](z)"})
    said = app.error[0].value
    assert f"{first} `**x**` is not here: there is `base@main`" in said
    assert f"{second} `![y](z)` is not here" in said
    assert not app.get("vega_lite_chart")
    run(next(button for button in app.button if button.label.startswith("Show")).click())
    assert not app.error
    assert set(app.query_params) == set(AT[page])
    assert charts(app)


@pytest.mark.parametrize("page", PAGES)
def test_text_from_corpora_stays_text(open_page, warehouse, page):
    hostile = {"layers": {"figure": f"share:topic={HOSTILE}", "corpus": "news", "scope": "news"}}
    hostile["neuron_map"] = {"colour": f"share:topic={HOSTILE}"}
    app = open_page(page, warehouse, **AT[page] | hostile.get(page, {}), neuron=HOSTILE)
    assert charts(app)
    written = [element.value for element in [*app.markdown, *app.caption, *app.info]]
    outside = " ".join(re.sub(r"`[^`]*`", "", text) for text in written)
    assert not any(part in outside for part in ("<", "**", "$"))


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_warehouse_says_what_fills_it(open_page, tmp_path, page):
    made = Warehouse.create(tmp_path / "empty")
    app = open_page(page, made)
    filled = {"layers": "activations --model", "neuron_map": "clusters --model", "comparison": "distances --before"}
    assert f"nwh --warehouse {made.storage.uri} ingest {filled[page]} MODEL" in commands(app)[0]
    assert not app.get("vega_lite_chart")


@pytest.mark.parametrize("page", ["layers", "neuron_map"])
def test_a_neuron_is_picked_without_a_click(open_page, warehouse, page):
    app = open_page(page, warehouse, **AT[page] | {"layer": "1"})
    assert not app.get("page_link")
    run(app.text_input(key="picked neuron").set_value(" 1_5"))
    assert app.query_params["neuron"] == "1/5"
    assert "cluster" not in app.query_params
    place = {"model": "base@main", "site": AT[page]["site"], "layer": "1", "neuron": "5"}
    assert link(app) == ("neuron", place)
    run(app.text_input(key="picked neuron").set_value("**9**"))
    assert not app.get("page_link")
    assert any("Neuron `**9**` is not in this picture" in caption.value for caption in app.caption)
    run(app.text_input(key="picked neuron").set_value(""))
    assert "neuron" not in app.query_params
