"""The SQL page: an editor with the data dictionary beside it, and the rows as a table, a chart or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.dashboards.address.sql_address import MAX_ROWS, MAX_SECONDS, SHOWN_AS, SqlAddress, read
from nwh.dashboards.charts.chart_parts import HIGH
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import completion, downloads, exhibits, notices, saved_queries
from nwh.dashboards.parts.dictionary import INSERT, STYLE, dictionary
from nwh.ingest.demo.findings import FINDINGS
from nwh.warehouse import Warehouse, limited_sql, queries
from nwh.warehouse.errors import NwhError
from nwh.warehouse.limited_sql import Result
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent

_FLAT = 80
"""Characters of all labels of an axis that fit side by side."""
_NAMED = 200
"""Neurons that can be opened by name: more take a browser long to list."""
_STYLE = """<style>
.st-key-sql_query textarea { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; tab-size: 4; }
</style>"""


def page() -> None:
    """Run the statement that the address holds."""
    st.title("SQL", anchor=False)
    st.markdown(
        "Ask this warehouse in SQL (DuckDB's). It takes one statement that reads, under the limits of `nwh sql`: no "
        "writes, no other files. The statement is in the address: to keep or share it, keep or share the address."
    )
    st.html(STYLE + completion.STYLE + _STYLE)
    with st.container(key="nwh-script-insert"):
        st.html(INSERT + completion.COMPLETE + completion.names(), unsafe_allow_javascript=True)
    warehouse = session.warehouse()
    chosen, problems = read(st.query_params)
    left, right = st.columns([3, 2], gap="large")
    with right, st.expander("Data dictionary", expanded=bool(chosen.find) or not chosen.query.strip()):
        _dictionary(chosen)
    with left:
        _editor(warehouse, chosen)
    if problems:
        notices.wrong_address(problems, "Go on without it", _go, chosen)
    elif chosen.query.strip():
        session.tab(f"SQL {' '.join(chosen.query.split())[:60]}")
        _run(warehouse, chosen)
    else:
        st.info("Write a statement, or take one of the examples.")
    session.footer()


# -- choosing ----------------------------------------------------------------------------------------------


def _editor(warehouse: Warehouse, chosen: SqlAddress) -> None:
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
        for i, finding in enumerate(FINDINGS):
            _take(finding.title, f"sql_example_{i}", finding.sql, chosen)
    with st.expander("Saved queries"):
        _saved(warehouse, chosen)


def _saved(warehouse: Warehouse, chosen: SqlAddress) -> None:
    """List the statements that are kept as files, and say how to keep the one at hand."""
    folder = saved_queries.folder(warehouse)
    for query in saved_queries.saved(folder) if folder else []:
        label = code_span(query.name) + (f": {code_span(query.about)}" if query.about else "")
        _take(label, f"sql_saved_{query.name}", query.sql, chosen)
    place = code_span(str(folder)) if folder else "the folder that `$NWH_QUERIES` names"
    st.caption(
        f"Files `NAME.sql` in {place} are listed here, with what their first line says where it is a comment. Pages "
        "write nothing: download a statement that you ran, and put it there."
    )
    if chosen.query.strip():
        st.download_button("Download .sql", chosen.query, "query.sql", "application/sql", on_click="ignore")


def _take(label: str, key: str, query: str, chosen: SqlAddress) -> None:
    """Offer a statement to be run."""
    fresh = SqlAddress(query, chosen.rows, chosen.seconds, find=chosen.find)
    st.button(label, key=key, type="tertiary", on_click=_go, args=(fresh,))


def _submitted() -> None:
    """Run what the form says, as the chart was unless its columns are gone."""
    state = st.session_state
    before, _ = read(st.query_params)
    _go(replace(before, query=state.sql_query, rows=state.sql_rows, seconds=state.sql_seconds))


def _changed(before: SqlAddress, *names: str) -> None:
    _go(replace(before, **{name: st.session_state[f"sql_{name}"] for name in names}))


def _go(chosen: SqlAddress) -> None:
    st.query_params.from_dict(chosen.address)


# -- rows --------------------------------------------------------------------------------------------------


def _run(warehouse: Warehouse, chosen: SqlAddress) -> None:
    limited = session.limited()
    try:
        with st.spinner("Running"):
            result = _result(limited, session.runs(limited), chosen.query, chosen.rows, chosen.seconds)
    except NwhError as error:
        st.error("This statement did not run to its end.")
        st.code(str(error), language=None, wrap_lines=True)
        return
    session.took("statement", result.seconds)
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
        _table(warehouse, values)
    else:
        _chart(chosen, values)
    with st.container(horizontal=True):
        downloads.buttons("rows", result.file)


def _table(warehouse: Warehouse, values: Mapping[str, list[Any]]) -> None:
    """Show the rows, each that is of a neuron with a link to its page."""
    places = neurons_of(values, queries.knowledge.extents_with_prompts(warehouse, session.ask))
    links: dict[str, list[Any]] = {}
    if any(places):
        links["open"] = [place and NeuronAddress(place).link for place in places]
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.5g")
        for name, column in values.items()
        if any(type(value) is float for value in column)
    }
    if links:
        columns["open"] = st.column_config.LinkColumn("page", display_text="open")
    st.dataframe({**links, **values}, hide_index=True, column_config=columns, alt="Rows of the statement")
    if first := list(dict.fromkeys(filter(None, places)))[:_NAMED]:
        neuron.open_one(first)


def neurons_of(values: Mapping[str, list[Any]], known: Sequence[Extent]) -> list[Neuron | None]:
    """Return the neuron of each row that has the columns of one (model, site, layer, neuron) and is in the warehouse.

    Without a column `checkpoint`, the model's last.
    """
    if not {"model", "site", "layer", "neuron"} <= values.keys():
        return []
    last: dict[Any, str] = {(extent.model, extent.site): extent.checkpoint for extent in known}
    there: dict[Any, Extent] = {(extent.model, extent.checkpoint, extent.site): extent for extent in known}
    found: list[Neuron | None] = []
    for i, (model, site) in enumerate(zip(values["model"], values["site"], strict=True)):
        checkpoint = values["checkpoint"][i] if "checkpoint" in values else last.get((model, site))
        extent = there.get((model, checkpoint, site))
        layer, number = values["layer"][i], values["neuron"][i]
        whole = type(layer) is int and type(number) is int
        inside = extent and whole and 0 <= layer < extent.n_layers and 0 <= number < extent.n_neurons
        found.append(Neuron(model, str(checkpoint), site, layer, number) if inside else None)
    return found


@st.cache_data(max_entries=20, show_spinner=False)
def _result(_warehouse: Warehouse, runs: str, query: str, rows: int, seconds: int) -> Result:
    return limited_sql.run(_warehouse, query, rows, seconds)


def _chart(chosen: SqlAddress, values: Mapping[str, list[Any]]) -> None:
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
    picture = chart(values, chosen.shown, x, y, colour)
    exhibits.draw(picture, f"{y} by {x}")
    exhibits.svg(picture, f"{y} by {x}")


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
        "x": alt.X(field="x", type=types["x"], title=x, sort=None, axis=_axis(types["x"], rows)),
        "y": alt.Y(field="y", type="quantitative", title=y, stack="zero" if mark == "bar" else None),
        "tooltip": [alt.Tooltip(field=field, type=types[field], title=name) for field, name in chosen.items()],
    }
    if mark == "line" and types["x"] != "quantitative":
        axes["x"] = alt.X(field="x", type="ordinal", title=x, sort=None, axis=_axis("ordinal", rows))
    if colour:
        axes["color"] = alt.Color(field="colour", type=types["colour"], title=colour)
    else:
        axes["color"] = alt.ColorValue(HIGH)
    drawn: alt.Chart = marked.encode(**axes)
    return drawn


def _axis(type: str, rows: Sequence[Mapping[str, Any]]) -> alt.Axis:
    """Return an axis whose labels lie flat where they are short and few, and stand else."""
    names = {str(row["x"]) for row in rows}
    flat = type == "quantitative" or sum(map(len, names)) < _FLAT
    return alt.Axis(labelAngle=0 if flat else -60)


def _numeric(column: list[Any]) -> bool:
    known = [value for value in column if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)


def _dictionary(chosen: SqlAddress) -> None:
    st.session_state["sql_find"] = chosen.find
    st.text_input(
        "Find a relation, a column or a word",
        key="sql_find",
        placeholder="such as lift",
        on_change=_changed,
        args=(chosen, "find"),
    )
    st.caption("A name that is clicked goes into the statement.")
    st.html(dictionary(chosen.find))
