"""Rows of the SQL page that are of neurons lead to their pages; the dictionary leads to rows."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards.pages import sql_page
from nwh.dashboards.parts.dictionary import dictionary
from nwh.warehouse import limited_sql
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.schema import RELATIONS

KNOWN = [Extent("m", "a", "ffn", 2, 4, ("c",)), Extent("m", "b", "ffn", 2, 4, ("c",))]


def script():
    from nwh.dashboards.pages import sql_page

    sql_page.page()


@pytest.fixture
def opened(monkeypatch, warehouse):
    def at(query):
        monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
        app = AppTest.from_function(script, default_timeout=60)
        app.query_params["query"] = query
        app.run()
        assert not app.exception
        return app

    return at


def test_rows_of_neurons_have_links(opened):
    columns = "neuron, layer, site, model, checkpoint"
    app = opened(f"select {columns} from neuron_stats where site = 'ffn' and neuron < 3 order by all")
    shown = app.dataframe[0].value
    assert list(shown.columns)[:2] == ["open", "neuron"]
    for row in shown.to_dict("records"):
        address = {name: values[0] for name, values in parse_qs(urlsplit(row["open"]).query).items()}
        assert address == {
            "model": "tiny@main",
            "site": "ffn",
            "layer": str(row["layer"]),
            "neuron": str(row["neuron"]),
        }
    (box,) = [box for box in app.selectbox if box.label == "Open a neuron"]
    assert len(box.options) == len({(row["layer"], row["neuron"]) for row in shown.to_dict("records")})
    app = opened("select layer, neuron from neuron_stats limit 2")
    assert list(app.dataframe[0].value.columns) == ["layer", "neuron"]
    assert "Open a neuron" not in [box.label for box in app.selectbox]


def test_only_neurons_that_are_there_are_linked():
    values = {
        "model": ["m", "m", "m", "?", "m", None],
        "site": ["ffn", "ffn", "hidden", "ffn", "ffn", None],
        "layer": [1, 2, 0, 0, "1", None],
        "neuron": [3, 0, 0, 0, 1, None],
    }
    last = Neuron("m", "b", "ffn", 1, 3)  # no checkpoint is named: the last
    assert sql_page.neurons_of(values, KNOWN) == [last, None, None, None, None, None]
    named = {name: column[:2] for name, column in values.items()} | {"checkpoint": ["a", "a"]}
    assert sql_page.neurons_of(named, KNOWN) == [Neuron("m", "a", "ffn", 1, 3), None]
    assert sql_page.neurons_of({"layer": [1], "neuron": [1]}, KNOWN) == []


def test_the_dictionary_leads_to_rows(warehouse):
    kinds = re.findall(r"</b> (\w+)</summary>", dictionary())
    assert list(dict.fromkeys(kinds)) == ["view", "macro", "relation"]
    links = [html.unescape(link) for link in re.findall(r'href="([^"]*)"', dictionary())]
    asked = [parse_qs(urlsplit(link).query)["query"][0] for link in links]
    assert len(asked) == kinds.count("view") + len(RELATIONS)
    limited = limited_sql.open_limited(warehouse.storage.uri)
    for query in asked[:3] + asked[-3:]:
        limited_sql.run(limited, query, 20, 60)
