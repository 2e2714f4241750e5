"""Tables of few rows say what Streamlit's grid would, and text in them stays text."""

from __future__ import annotations

from datetime import datetime

import streamlit as st
from hypothesis import given

from nwh.dashboards.html import plain_table
from tests.dashboards.test_markup import Read, hostile


def cells(html):
    """Return the elements of a table's cells with their texts, row by row."""
    return [part.split("</td>")[0] for part in html.split("<td")[1:]]


def test_values_are_written_as_their_columns_say():
    number = st.column_config.NumberColumn
    columns = {
        "share": number(format="percent"),
        "n": number("sentences", format="localized", help="all of <them>"),
        "q": number(format="%.1e"),
        "change": number(format="%+.2f"),
        "when": st.column_config.DatetimeColumn(),
        "page": st.column_config.LinkColumn(display_text="open"),
        "named": "a name",
    }
    row = {
        "share": 0.12345,
        "n": 1234567,
        "q": 0.00012,
        "change": -0.5,
        "when": datetime(2026, 1, 2, 3, 4, 5),
        "page": "neuron?model=a&site=ffn",
        "named": ["x", "y"],
        "left out": 1,
        "layer": 1000,
        "value": 0.123456,
        "null": None,
    }
    html = plain_table.draw([row], columns, [name for name in row if name != "left out"])
    assert [cell.partition(">")[2] for cell in cells(html)] == [
        "12.3%", "1,234,567", "1.2e\N{MINUS SIGN}04", "\N{MINUS SIGN}0.50", "2026-01-02 03:04",
        '<a href="neuron?model=a&amp;site=ffn">open</a>', "x, y", "1000", "0.1235", "",
    ]  # fmt: skip
    titles = [each for each in Read(html).elements if each[0] == "th"]
    assert ("th", {"scope": "col", "title": "all of <them>"}) in titles
    assert ">sentences</th>" in html
    assert ">a name</th>" in html
    assert 'tabindex="0"' in html, "who has no mouse scrolls it with the arrow keys"


@given(hostile)
def test_hostile_characters_stay_text(text):
    columns = {text: st.column_config.NumberColumn(text, help=text), "link": st.column_config.LinkColumn()}
    read = Read(plain_table.draw([{text: text, "listed": [text], "link": text}], columns))
    assert read.text == f"{text or ''}listedlink{text}{text}{text}"
    assert {tag for tag, _ in read.elements} == {"div", "table", "thead", "tbody", "tr", "th", "td", "a"}
    assert ("a", {"href": text}) in read.elements
