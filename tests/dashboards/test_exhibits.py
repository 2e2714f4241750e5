"""What every figure and table of every page has beside it: the SQL that made it, its rows as CSV, a picture as SVG."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import altair as alt
import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards.address import sql_address
from nwh.dashboards.parts import exhibits
from nwh.warehouse import limited_sql
from nwh.warehouse.output import Format
from tests.dashboards.shown import assert_given_again, files, open_sources, statements, tables
from tests.dashboards.test_knowledge_pages import CHOSEN
from tests.dashboards.test_layer_pages import LAYERS_AT, MAP_AT, PAIR_AT
from tests.sql import knowledge_rows
from tests.sql import layer_rows as across_rows

NEURON_AT = {"model": "tiny@main", "site": "ffn", "layer": "1", "neuron": "5", "tokens": "off"}
BY_FIGURE = MAP_AT | {"colour": "share:topic=money"}
SEARCHES = [
    {"by": "word", "pattern": "the", "lift": "0", "q": "1", "rows": "3"},
    {"by": "metadata", "key": "author", "value": "<b>eve</b>", "site": "ffn", "lift": "0", "q": "1"},
    {"by": "class", "name": "dead", "rows": "2"},
]
PAGES = [
    ("concepts", "knowledge", CHOSEN | {"t": "0.3", "p": "0.25"}),
    ("formation", "knowledge", CHOSEN),
    ("search", "knowledge", {"by": "concept", "dataset": "a", "concept": knowledge_rows.CONCEPTS[6]}),
    ("layers", "across", LAYERS_AT),
    ("neuron_map", "across", MAP_AT),
    ("neuron_map", "across", BY_FIGURE),
    ("comparison", "across", PAIR_AT),
    ("neuron", "plain", NEURON_AT),
    ("neuron", "plain", NEURON_AT | {"corpora": "plain", "text": "the old king sees the dog"}),
    ("home", "plain", {}),
    *(("search", "plain", at) for at in SEARCHES),
]


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory, warehouse):
    return {
        "plain": warehouse,
        "knowledge": knowledge_rows.Rows().write(tmp_path_factory.mktemp("knowledge") / "warehouse"),
        "across": across_rows.Rows().write(tmp_path_factory.mktemp("across") / "warehouse"),
    }


def script(page):
    from importlib import import_module

    import_module(f"nwh.dashboards.pages.{page}").page()


@pytest.fixture
def open_page(monkeypatch, warehouses, made_of):
    """Return a function that opens a page; it returns what is shown, and what its figures are made of."""

    def opened(page, over, **address):
        monkeypatch.setenv("NWH_WAREHOUSE", warehouses[over].storage.uri)
        app = AppTest.from_function(script, args=(page,), default_timeout=120)
        app.query_params.update(address)
        app.run()
        assert not statements(app)  # none is drawn, in colours at that, before it is asked for
        open_sources(app, made_of)
        assert not app.exception
        assert not app.error
        return app, made_of

    return opened


@pytest.mark.parametrize(("page", "over", "address"), PAGES, ids=[f"{page}-{i}" for i, (page, *_) in enumerate(PAGES)])
def test_the_statement_beside_a_figure_gives_its_rows(open_page, warehouses, page, over, address):
    app, made = open_page(page, over, **address)
    assert any(re.match(r"\d+ quer(y|ies) in", caption.value) for caption in app.caption)
    assert sum(each.picture is not None for each in made) == len(app.get("vega_lite_chart"))
    listed = [rows for rows in tables(app) if "unit" not in rows[0]]  # jobs are those of `nwh status`
    assert len(made) >= max(1, len(app.dataframe) + len(listed))
    assert sorted(statements(app)) == sorted(each.answer.sql for each in made if each.answer.sql)
    limited = limited_sql.open_limited(warehouses[over].storage.uri)
    for each in made:
        if each.about == "Output tokens":  # the model says them
            assert each.answer.sql is None
        else:
            assert_given_again(limited, each)


def test_each_statement_can_be_opened_and_each_file_has_a_name(open_page):
    app, made = open_page("concepts", "knowledge", **CHOSEN)
    links = [urlsplit(button.proto.url) for button in app.get("link_button")]
    assert {link.path for link in links} == {"sql"}
    asked = [
        sql_address.read({name: values[0] for name, values in parse_qs(link.query).items()})[0].query for link in links
    ]
    assert asked == [each.answer.sql for each in made]
    assert files(app) == [label for each in made for label in ("CSV", *["SVG"][: each.picture is not None])]
    assert [popover.proto.popover.label for popover in app.get("popover")] == [
        "SQL · CSV · SVG" if each.picture is not None else "SQL · CSV" for each in made
    ]
    for each in made:
        rows = list(csv.reader(io.StringIO(exhibits.written(each.answer, Format.csv).decode())))
        assert rows[0] == each.answer.columns
        assert len(rows) == len(each.answer.rows) + 1


def test_pictures_are_drawn_as_svg(open_page):
    _, made = open_page("concepts", "knowledge", **CHOSEN)
    pictures = [each for each in made if each.picture is not None]
    assert len(pictures) == 7
    for each in pictures:
        root = ElementTree.fromstring(exhibits._drawn(each.picture, each.about))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("aria-label") == each.about
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 3


def test_without_what_draws_svg_the_page_names_it(open_page, monkeypatch):
    monkeypatch.setattr(exhibits, "find_spec", lambda name: None)
    app, _ = open_page("neuron_map", "across", **MAP_AT)
    assert "SVG" not in files(app)
    assert any("nwh[report]" in caption.value for caption in app.caption)


def test_many_rows_are_all_shown_where_they_are_opened():
    link = sql_address.SqlAddress("select 1", 10_000).link
    assert link == "sql?query=select+1&rows=10000"

    def part():
        from nwh.dashboards.parts import exhibits
        from nwh.warehouse.queries.answers import Answer

        exhibits.source(Answer(["a"], [(i,) for i in range(2500)], "select 1"), "many")

    app = AppTest.from_function(part)
    app.session_state["source-many"] = True
    (button,) = app.run().get("link_button")
    assert button.proto.url == "sql?query=select+1&rows=2500"


def test_a_figure_of_a_hostile_name_is_a_plain_file():
    picture = alt.Chart({"values": [{"x": 1}]}).mark_point().encode(x="x:Q")
    assert exhibits._slug("../<b>Mean</b> of 'a/b'!") == "b-mean-b-of-a-b"
    assert exhibits._slug("…") == "figure"
    assert b"<b>" not in exhibits._drawn(picture, "<b>x</b>")
