"""Figures and result tables, each with the SQL that made it, its rows as CSV and its picture as SVG one click away."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import streamlit as st
from altair.utils import schemapi

from nwh.dashboards.address import sql_address
from nwh.dashboards.charts import drawing
from nwh.dashboards.charts.chart_parts import Picture, look
from nwh.dashboards.html import plain_table
from nwh.dashboards.parts.downloads import written
from nwh.warehouse.output import Format
from nwh.warehouse.queries.answers import Answer


def draw(picture: Picture, about: str, finding: str = "", **options: Any) -> Any:
    """Draw a chart in the colours of the page; those who cannot see it are told what it shows and what is found."""
    dark = st.context.theme.type == "dark"
    text = f"{about}: {finding}" if finding else about
    # Streamlit's way from a chart to its specification checks it against Vega-Lite's schema, which takes longer than
    # most questions: a server has Altair's debug mode off (pages/serving.py), tests have not.
    spec = look(picture, dark).to_dict(validate=schemapi.DEBUG_MODE)
    spec["config"]["view"] = {"stroke": "transparent"}  # without Altair's sizes: the page has others
    return st.vega_lite_chart(spec=spec, alt=text, **options)


def chart(picture: Picture, answer: Answer, about: str, finding: str = "", **options: Any) -> None:
    """Draw a chart of an answer's rows.

    about: what it shows, also the name of its files. finding: what is to be seen, for those who cannot see it.
    """
    draw(picture, about, finding, **options)
    source(answer, about, picture)


def table(
    answer: Answer,
    about: str,
    columns: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]] | None = None,
    order: Sequence[str] | None = None,
    picture: Picture | None = None,
    beside: bool = False,
) -> None:
    """Show an answer as a table, or `rows` made of it, below or beside a picture of them where there is one.

    columns: their titles and formats. order: which are shown, all where it is null.
    """
    above, below = st.columns([2, 3], gap="medium") if beside else (st.container(), st.container())
    if picture is not None:
        with above:
            draw(picture, about)
    shown = answer.records if rows is None else rows
    with below:
        if 0 < len(shown) <= plain_table.MOST_ROWS:
            st.html(plain_table.draw(shown, columns, order, about))
            source(answer, about, picture)
        else:
            grid(answer, about, columns, shown, order, picture)


def grid(
    answer: Answer,
    about: str,
    columns: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    order: Sequence[str] | None = None,
    picture: Picture | None = None,
) -> None:
    """Show rows as a table to be sorted and searched, which browsers take longer to draw."""
    titled: dict[str, Any] = {**plain_table.with_titles(rows[0] if rows else columns, columns)}
    shares = [name for name, each in titled.items() if (each.get("type_config") or {}).get("format") == "percent"]
    shown = [{**row, **{name: _to_three_digits(row[name]) for name in shares}} for row in rows]
    st.dataframe(shown, hide_index=True, column_order=order, column_config=titled, placeholder="", alt=about)
    source(answer, about, picture)


def _to_three_digits(share: float | None) -> float | None:
    """Return a share as plain tables show it; Streamlit's grids give two decimals of its percentage."""
    return share if share is None else float(f"{share:.3g}")


@st.fragment
def when_opened(title: str, draw: Callable[[], None], opened: bool = False) -> None:
    """Fold a part of the page, which is made when it is opened: what is folded takes a browser as long as the rest."""
    folded = st.expander(title, opened, key=f"folded-{title}", on_change="rerun")
    if folded.open:
        with folded:
            draw()


@st.fragment
def source(answer: Answer, about: str, picture: Picture | None = None) -> None:
    """Offer an answer's statement, its rows as CSV and the picture of them as SVG; Streamlit's own toolbar saves PNG.

    about: tells this figure from the others of its page. What is offered is made when it is opened, so that a page of
    many figures need not wait for what draws statements in colours.
    """
    name = "SQL · CSV" if picture is None else "SQL · CSV · SVG"
    offered = st.popover(name, type="tertiary", key=f"source-{about}", on_change="rerun")
    if not offered.open:
        return
    with offered:
        if answer.sql:
            st.code(answer.sql, language="sql", wrap_lines=True)
        else:
            st.caption("No statement gives these rows: the model itself was asked for them.")
        with st.container(horizontal=True):
            if answer.sql:
                rows = min(max(len(answer.rows), sql_address.SqlAddress.rows), sql_address.MAX_ROWS)
                st.link_button("Open in SQL", sql_address.SqlAddress(answer.sql, rows).link)
            _file("CSV", partial(written, answer, Format.csv), "text/csv", about)
            if picture is not None:
                svg(picture, about)


def svg(picture: Picture, about: str) -> None:
    """Offer a chart as SVG, where what draws it is installed."""
    if find_spec("vl_convert"):
        _file("SVG", partial(_drawn, picture, about), "image/svg+xml", about)
    else:
        st.caption("SVG needs `pip install 'nwh[report]'`.")


def _drawn(picture: Picture, about: str) -> bytes:
    return drawing.draw(picture, _slug(about), about, drawing.WIDE, n_marks=0).content


def _file(label: str, write: Callable[[], bytes], mime: str, about: str) -> None:
    name = f"{_slug(about)}.{label.lower()}"
    st.download_button(label, write, name, mime, key=f"{label}-{about}", on_click="ignore")


def _slug(about: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", about.lower()).strip("-")[:80] or "figure"
