"""The SQL page: an editor with the data dictionary beside it, and the rows as a table, a chart or a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import altair as alt
import streamlit as st

from dashboards import opened
from dashboards.dictionary import STYLE, dictionary
from dashboards.markup import HIGH, literal
from warehouse import Warehouse, limited_sql
from warehouse.cli.examples import examples
from warehouse.errors import UsageError
from warehouse.limited_sql import Result
from warehouse.output import Format

MAX_ROWS, MAX_SECONDS = 10_000, 60
SHOWN_AS = ("table", "bar", "line", "scatter")
_FILES = {
    Format.csv: "text/csv",
    Format.json: "application/json",
    Format.parquet: "application/vnd.apache.parquet",
}
_STYLE = """<style>
.st-key-sql_query textarea { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; tab-size: 4; }
</style>"""


@dataclass(frozen=True)
class Choice:
    """A statement, its limits, how its rows are shown, and what is looked up in the dictionary.

    shown: `table`, `bar`, `line` or `scatter`. x, y, colour: columns of a chart, empty for the first that fit.
    """

    query: str = ""
    rows: int = 1000
    seconds: int = 10
    shown: str = "table"
    x: str = ""
    y: str = ""
    colour: str = ""
    find: str = ""

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that `read` makes this choice of."""
        changed = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in changed.items() if value != getattr(Choice, name)}


def read(address: Mapping[str, str]) -> tuple[Choice, list[str]]:
    """Return the choice of an address, and what is wrong with the address, in Markdown."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    highest = {"rows": MAX_ROWS, "seconds": MAX_SECONDS}
    for name in (field.name for field in fields(Choice) if field.name in address):
        text = address[name]
        if name in highest and not (re.fullmatch("[0-9]{1,6}", text) and 1 <= int(text) <= highest[name]):
            problems.append(f"{name} {literal(text)} is not here: it is a number from 1 to {highest[name]}")
        elif name == "shown" and text not in SHOWN_AS:
            problems.append(f"{name} {literal(text)} is not here: there is {', '.join(map(literal, SHOWN_AS))}")
        else:
            found[name] = int(text) if name in highest else text
    return Choice(**found), problems


def page() -> None:
    """Run the statement that the address holds."""
    st.title("SQL", anchor=False)
    st.markdown(
        "Ask this warehouse in SQL (DuckDB's). It takes one statement that reads, under the limits of `nwh sql`: no "
        "writes, no other files. The statement is in the address: to keep or share it, keep or share the address."
    )
    st.html(STYLE + _STYLE)
    opened.warehouse()  # an error here, where there is none, is the application's to show
    chosen, problems = read(st.query_params)
    left, right = st.columns([3, 2], gap="large")
    with right:
        _dictionary(chosen)
    with left:
        _editor(chosen)
        if problems:
            st.error("This address asks for what there is not.\n\n" + "\n".join(f"- {each}" for each in problems))
            st.button("Go on without it", on_click=_go, args=(chosen,))
        elif chosen.query.strip():
            _run(chosen)
        else:
            st.info("Write a statement, or take one of the examples.")
    opened.footer()


# -- choosing ----------------------------------------------------------------------------------------------


def _editor(chosen: Choice) -> None:
    """Draw the editor as the address says; what is typed and not yet run stays while other widgets are used."""
    state = st.session_state
    of_form = {"sql_query": chosen.query, "sql_rows": chosen.rows, "sql_seconds": chosen.seconds}
    if state.get("sql_shown_of") != of_form or not of_form.keys() <= set(state):
        state.update(of_form)
        state["sql_shown_of"] = of_form
    with st.form("sql", border=False):
        st.text_area("Statement", key="sql_query", height=190, placeholder="select corpus, n_sentences from corpora")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Rows at most", 1, MAX_ROWS, step=100, key="sql_rows", width=140)
            st.number_input("Seconds at most", 1, MAX_SECONDS, key="sql_seconds", width=150)
            st.form_submit_button("Run", type="primary", help="Ctrl+Enter in the statement", on_click=_submitted)
    with st.expander("Examples"):
        for i, (title, query) in enumerate(examples()):
            fresh = Choice(query, chosen.rows, chosen.seconds, find=chosen.find)
            st.button(title, key=f"sql_example_{i}", type="tertiary", on_click=_go, args=(fresh,))


def _submitted() -> None:
    """Run what the form says, as the chart was unless its columns are gone."""
    state = st.session_state
    before, _ = read(st.query_params)
    _go(replace(before, query=state.sql_query, rows=state.sql_rows, seconds=state.sql_seconds))


def _changed(before: Choice, *names: str) -> None:
    _go(replace(before, **{name: st.session_state[f"sql_{name}"] for name in names}))


def _go(chosen: Choice) -> None:
    st.query_params.from_dict(chosen.address)


# -- rows --------------------------------------------------------------------------------------------------


def _run(chosen: Choice) -> None:
    warehouse = opened.limited()
    runs = (warehouse.storage.uri, *sorted(warehouse.snapshot.get("runs", ())))
    try:
        with st.spinner("Running"):
            result = _result(warehouse, runs, chosen.query, chosen.rows, chosen.seconds)
    except UsageError as error:
        st.error("This statement did not run to its end.")
        st.code(str(error), language=None, wrap_lines=True)
        return
    opened.took("statement", result.seconds)
    n_rows = len(result.rows)
    rows = "1 row" if n_rows == 1 else f"{n_rows:,} rows"
    st.markdown(f"**{rows}** in {result.seconds:.2f} s.{' There are more: these are the first.' if result.cut else ''}")
    st.session_state["sql_shown"] = chosen.shown
    st.segmented_control(
        "Shown as",
        SHOWN_AS,
        key="sql_shown",
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=_changed,
        args=(chosen, "shown"),
    )
    values = result.values
    if chosen.shown == "table":
        st.dataframe(values, hide_index=True)
    else:
        _chart(chosen, values)
    with st.container(horizontal=True):
        for format, mime in _FILES.items():
            st.download_button(
                f"Download {format.value}",
                partial(result.file, format),
                f"rows.{format.value}",
                mime,
                key=f"sql_download_{format.value}",
                on_click="ignore",
            )


@st.cache_data(max_entries=20, show_spinner=False)
def _result(_warehouse: Warehouse, runs: tuple[str, ...], query: str, rows: int, seconds: int) -> Result:
    return limited_sql.run(_warehouse, query, rows, seconds)


def _chart(chosen: Choice, values: Mapping[str, list[Any]]) -> None:
    numbers = [name for name, column in values.items() if _numeric(column)]
    names = list(values)
    x = chosen.x if chosen.x in values else names[0]
    y = chosen.y if chosen.y in numbers else next((name for name in numbers if name != x), None)
    if y is None:
        st.info("A chart needs a column of numbers beside the one along the x axis: show this as a table.")
        return
    colour = chosen.colour if chosen.colour in values else ""
    st.session_state.update({"sql_x": x, "sql_y": y, "sql_colour": colour})
    with st.container(horizontal=True):
        for name, label, some in (("x", "x axis", names), ("y", "y axis", numbers), ("colour", "Colour", ["", *names])):
            st.selectbox(
                label,
                some,
                key=f"sql_{name}",
                format_func=lambda value: value or "none",
                width=190,
                on_change=_changed,
                args=(chosen, name),
            )
    st.altair_chart(chart(values, chosen.shown, x, y, colour), alt=f"{y} by {x}")


def chart(values: Mapping[str, list[Any]], mark: str, x: str, y: str, colour: str = "") -> alt.Chart:
    """Return columns as a chart: `bar`, `line` or `scatter`; y is of numbers, colour may be empty."""
    # Vega reads dots and brackets in the name of a field as a path into it: columns go by place, names by title.
    chosen = {"x": x, "y": y} | ({"colour": colour} if colour else {})
    rows = [
        dict(zip(chosen, row, strict=True)) for row in zip(*(values[name] for name in chosen.values()), strict=True)
    ]
    types: dict[str, Any] = {
        field: "quantitative" if _numeric(values[name]) else "nominal" for field, name in chosen.items()
    }
    if mark == "bar":
        types["x"] = "ordinal" if types["x"] == "quantitative" else "nominal"
    base = alt.Chart({"values": rows}, title=f"{y} by {x}", height=380)
    marked = {"bar": base.mark_bar, "line": base.mark_line, "scatter": base.mark_circle}[mark]()
    axes: dict[str, Any] = {
        "x": alt.X(field="x", type=types["x"], title=x, sort=None),
        "y": alt.Y(field="y", type="quantitative", title=y, stack="zero" if mark == "bar" else None),
        "tooltip": [alt.Tooltip(field=field, type=types[field], title=name) for field, name in chosen.items()],
    }
    if mark == "line" and types["x"] != "quantitative":
        axes["x"] = alt.X(field="x", type="ordinal", title=x, sort=None)
    if colour:
        axes["color"] = alt.Color(field="colour", type=types["colour"], title=colour)
    else:
        axes["color"] = alt.value(f"rgb({HIGH})")
    drawn: alt.Chart = marked.encode(**axes)
    return drawn


def _numeric(column: list[Any]) -> bool:
    known = [value for value in column if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)


def _dictionary(chosen: Choice) -> None:
    st.markdown("#### Data dictionary")
    st.session_state["sql_find"] = chosen.find
    st.text_input(
        "Find a relation, a column or a word",
        key="sql_find",
        placeholder="such as lift",
        on_change=_changed,
        args=(chosen, "find"),
    )
    st.html(dictionary(chosen.find))
