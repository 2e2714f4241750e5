"""What a page run by AppTest shows, told apart: commands, statements beside figures, files, rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from nwh.warehouse import limited_sql
from nwh.warehouse.queries.answers import Answer


def commands(app):
    """Return the commands that a page names, a text per box."""
    boxes = (fromstring(element.value) for element in app.get("html") if "nwh-commands" in element.value)
    return ["".join(box.itertext()) for box in boxes]


def statements(app):
    """Return the statements beside the figures of a page."""
    return [box.value for box in app.code if box.language == "sql"]


def files(app):
    """Return the labels of what a page offers to download."""
    return [button.proto.label for button in app.get("download_button")]


def tables(app):
    """Return the tables of few rows: of each its rows, title -> text, or the address of a link."""
    found = []
    for element in app.get("html"):
        if "nwh-long" in element.value:
            head, *rows = [[*map(_cell, row)] for row in fromstring(element.value).iter("tr")]
            found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def _cell(cell):
    link = cell.find("a")
    return "".join(cell.itertext()) if link is None else link.get("href")


def open_sources(app, made):
    """Open what is offered beside each figure of a page, and run it again; made: as `made_of`."""
    for each in made:
        app.session_state[f"source-{each.about}"] = True
    made.clear()
    return app.run()


@dataclass
class Figure:
    """What a figure is made of, as it hands it over to be offered beside it."""

    answer: Answer
    about: str
    picture: Any = None


def assert_given_again(warehouse, figure):
    """Run the statement beside a figure as the SQL page does, and compare its rows with the figure's."""
    assert figure.answer.rows
    found = limited_sql.run(warehouse, figure.answer.sql, 10_000, 60)
    assert found.columns == figure.answer.columns
    given = [[*map(_close, row)] for row in found.rows]
    assert [[*map(_plain, row)] for row in figure.answer.rows] == given, figure.about


def _close(value):
    """Return a value that equals one whose sum was in another order."""
    number = isinstance(value, float) and math.isfinite(value)
    return pytest.approx(value, rel=1e-6, abs=1e-9) if number else _plain(value)


def _plain(value):
    return str(value) if isinstance(value, (list, dict)) or value != value else value
