"""Colours of charts on light and on dark, and axes that are what they say."""

from __future__ import annotations

import json
from itertools import pairwise

import altair as alt
import pytest

from nwh.dashboards.charts import chart_parts, diversity_charts, formation_charts
from nwh.dashboards.charts.chart_parts import WideAxis
from tests.dashboards.contrast import contrast

PAGES = {False: "#ffffff", True: "#191918"}
"""Streamlit's backgrounds; `test_browser.py` measures text on them as it is."""


def config(dark):
    chart = alt.Chart({"values": [{"x": 1}]}).mark_point().encode(x="x:Q")
    return chart_parts.look(chart, dark).to_dict()["config"]


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_stand_out(dark):
    made = config(dark)
    for of in ("axis", "legend", "header"):
        assert contrast(made[of]["labelColor"], PAGES[dark]) >= 4.5
        assert contrast(made[of]["titleColor"], PAGES[dark]) >= 4.5
    assert all(contrast(colour, PAGES[dark]) >= 4.5 for colour in made["range"]["ramp"])  # of labels too


@pytest.mark.parametrize("dark", [False, True])
def test_the_more_the_farther_from_the_background(dark):
    ranges = config(dark)["range"]
    amounts = [contrast(colour, PAGES[dark]) for colour in ranges["heatmap"]]
    assert amounts == sorted(amounts)
    assert amounts[0] < 1.3
    parted = [contrast(colour, PAGES[dark]) for colour in ranges["diverging"]]
    middle = len(parted) // 2
    assert parted[middle] < 1.3
    assert parted[: middle + 1] == sorted(parted[: middle + 1], reverse=True)
    assert parted[middle:] == sorted(parted[middle:])


def drawn(rows, linear):
    """Return where values are drawn and the labels of ticks, as Vega has them."""
    vl_convert = pytest.importorskip("vl_convert")
    wide = WideAxis(rows, ["value"], linear)
    chart = (
        alt.Chart({"values": rows}, height=400)
        .transform_calculate(**wide.transforms)
        .mark_point()
        .encode(y=alt.Y(wide.place("value"), title=wide.title("v"), axis=wide.axis), x="name:N")
    )
    found = json.loads(json.dumps(vl_convert.vegalite_to_scenegraph(chart.to_dict())))
    marks, labels = {}, {}

    def walk(mark):
        for item in mark.get("items", ()):
            if mark.get("role") == "axis-label" and "text" in item:
                labels[item["text"]] = item["y"]
            if mark.get("marktype") == "symbol" and mark.get("role") == "mark":
                marks[len(marks)] = item["y"]
            if "items" in item:
                walk(item)

    walk(found["scenegraph"])
    return [marks[i] for i in range(len(rows))], labels


def test_a_wide_axis_is_linear_and_then_of_tenfolds():
    values = [0, 25, 50, 100, 1000, 10_000, -50, -1000]
    at, labels = drawn([{"name": f"n{i}", "value": value} for i, value in enumerate(values)], 100)
    place = dict(zip(values, at, strict=True))
    step = place[0] - place[100]
    assert place[0] - place[25] == pytest.approx(step / 4)
    assert place[0] - place[50] == pytest.approx(step / 2)
    assert place[100] - place[1000] == pytest.approx(step)
    assert place[1000] - place[10_000] == pytest.approx(step)
    assert place[-1000] - place[0] == pytest.approx(2 * step)
    for text, value in (("0", 0), ("50", 50), ("100", 100), ("1k", 1000), ("10k", 10_000), ("\u22121k", -1000)):
        assert labels[text] == pytest.approx(place[value], abs=1), text


def test_an_axis_without_large_values_is_linear():
    wide = WideAxis([{"value": -50.0}, {"value": None}, {"value": 100.0}], ["value"], 100)
    assert not wide.transforms
    assert wide.place("value") == "value:Q"
    assert wide.title("change") == "change"


def test_small_figures_have_a_unit():
    assert chart_parts.in_units([{"a": 0.00002}, {"a": 0.00001}, {"a": None}], "a") == ("datum.a * 1e5", ", in 1e-5")
    assert chart_parts.in_units([{"a": 0.02}], "a") == ("datum.a", "")
    assert chart_parts.in_units([], "a") == ("datum.a", "")


def test_neurons_come_first_that_contribute_longest_without_a_break():
    steps = ["a", "b", "c", "d", "main"]  # of no step, after the last that has one
    there = {"0/1": "abcd", "0/2": "ad", "0/3": "bcd", "1/4": "d", "1/5": "cd", "1/6": "abc"}
    rows = [
        {"place": place, "checkpoint": step, "attribution": len(there) - i}
        for i, (place, at) in enumerate(there.items())
        for step in (*at, "main")
    ]
    found = [(each["place"], each["since"]) for each in formation_charts.lasting(rows, steps, "d")]
    assert found == [("0/1", "a"), ("0/3", "b"), ("1/5", "c"), ("0/2", "d"), ("1/4", "d")]


def test_layers_are_named_where_their_names_do_not_cover_each_other():
    """At the ends of their lines, or above the name of the layer below."""
    rows = [
        {"layer": layer, "k": k, "sse": sse / k, "n_vectors": 9}
        for k in (2, 5)
        for layer, sse in enumerate((40.0, 40.1, 40.2, 90.0))
    ]
    chart = diversity_charts.sse_curves(rows).to_dict()
    named = chart["datasets"][chart["layer"][1]["data"]["name"]]
    names = {each["layer"]: each["place"] for each in named}
    places = [names[layer] for layer in range(4)]
    assert (places[0], places[3]) == (8, 18)
    assert all(later - earlier >= 0.05 * 45 for earlier, later in pairwise(places))
    chart = diversity_charts.sse_against_mean(rows).to_dict()
    against = chart["datasets"][chart["layer"][0]["data"]["name"]]
    for k in (2, 5):
        assert sum(row["against"] for row in against if row["k"] == k) == pytest.approx(0)
    assert against[3]["against"] == pytest.approx(90 / (210.3 / 4) - 1)


def test_powers_of_ten_hold_all_values():
    assert chart_parts.powers([3, 250]).to_dict()["values"] == [1, 10, 100, 1000]
    assert chart_parts.powers([0.02, 1], "~%").to_dict()["values"] == [0.01, 0.1, 1]
