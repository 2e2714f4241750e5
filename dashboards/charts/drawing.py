"""Charts as pictures inside a page: SVG, or PNG where there are too many marks for one."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from io import BytesIO, StringIO
from typing import Any
from xml.etree import ElementTree

import altair as alt

from nwh.dashboards.charts.chart_parts import Picture as Chart
from nwh.dashboards.charts.chart_parts import look
from nwh.warehouse.errors import UsageError

WIDE, NARROW = 760, 430
_MOST_MARKS = 5000
_PNG_SCALE = 2
_SVG = "http://www.w3.org/2000/svg"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"url\(#([^()]+)\)")

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


@dataclass(frozen=True)
class Picture:
    """A drawn chart: its file's suffix and bytes, and how it stands in a page."""

    suffix: str
    content: bytes
    html: str


def check() -> None:
    """Raise UsageError where what draws charts is not installed."""
    if find_spec("vl_convert") is None:
        raise UsageError("charts are drawn by vl-convert-python, which is not installed: pip install 'nwh[report]'")


def untitled(chart: Any) -> Any:
    """Return a chart, or layers of charts, without a title, to stand below a caption."""
    bare = chart.copy(deep=False)
    bare.title = alt.Undefined
    if isinstance(bare, alt.LayerChart):
        bare.layer = [untitled(layer) for layer in bare.layer]
    return bare


def draw(chart: Chart, name: str, title: str, width: int, n_marks: int) -> Picture:
    """Draw a chart of a width in pixels, its title and axes included.

    name: tells the picture's ids from those of other pictures of the page. title: what those read who cannot see it.
    """
    fit = alt.AutoSizeParams(type="fit", contains="padding")
    sized = look(chart, dark=False).properties(width=width, autosize=fit)
    if n_marks > _MOST_MARKS:
        pixels = BytesIO()
        sized.save(pixels, format="png", scale_factor=_PNG_SCALE)
        return _png(pixels.getvalue(), title, width)
    text = StringIO()
    sized.save(text, format="svg")
    return _svg(text.getvalue(), name, title)


def _png(content: bytes, title: str, width: int) -> Picture:
    source = f"data:image/png;base64,{b64encode(content).decode()}"
    return Picture("png", content, f'<img alt="{escape(title)}" width="{width}" src="{source}">')


def _svg(text: str, name: str, title: str) -> Picture:
    """Return a drawing whose ids are its own, numbered: ids count for a whole page, and charts use the same."""
    root = ElementTree.fromstring(_NOT_XML.sub("", text))
    numbers: dict[str, str] = {}
    for element in root.iter():
        if "id" in element.attrib:
            numbers[element.attrib["id"]] = f"{name}-id-{len(numbers)}"
            element.set("id", numbers[element.attrib["id"]])
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if found := _REFERENCE.fullmatch(value):
                element.set(attribute, f"url(#{numbers[found[1]]})")
    root.set("role", "img")
    root.set("aria-label", title)
    drawn = ElementTree.tostring(root, "unicode")
    return Picture("svg", drawn.encode(), drawn)
