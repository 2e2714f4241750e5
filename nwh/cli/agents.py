"""A warehouse as tools of the Model Context Protocol, for agents: schema, sql, view, neuron. They only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nwh.warehouse import NwhError, Warehouse, limited_sql
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import parse_neuron
from nwh.warehouse.queries.neuron_description import as_json, whole
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.statements import sql_literal

if TYPE_CHECKING:
    from mcp.server import MCPServer

MAX_ROWS, SECONDS = 1000, 60.0
"""Of a statement: the most rows that a tool returns, and the time it may take."""
_ABOUT = (
    "A warehouse of what the neurons of language models do: the sentences that activate them most, what these share, "
    "which facts they hold, explanations in words. `schema` lists relations, views and macros; `sql` asks in DuckDB's "
    "SQL; `view` calls a view or a macro; `neuron` returns the whole page of MODEL[@CHECKPOINT]/SITE/LAYER/NEURON."
)


def server(uri: str) -> MCPServer:
    """Return a server over a warehouse, which opens it as `nwh sql` does: it reads its files and nothing else.

    UsageError where the package `mcp` is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError:
        raise UsageError("`nwh mcp` needs the Model Context Protocol: pip install 'nwh[mcp]'") from None
    warehouse = limited_sql.open_limited(uri)
    made = MCPServer("nwh", instructions=_ABOUT, log_level="WARNING")

    @made.tool()
    def schema(name: str | None = None) -> dict[str, Any]:
        """List relations, views and macros with what they are; of the one with this name, also every column."""
        with _explained():
            return _schema(name)

    @made.tool()
    def sql(statement: str, max_rows: int = 100) -> dict[str, Any]:
        """Run one statement that reads, in DuckDB's SQL, for at most a minute; `cut` says that there were more rows."""
        with _explained():
            return _rows(warehouse, statement, max_rows)

    @made.tool()
    def view(name: str, arguments: list[Any] | None = None, max_rows: int = 100) -> dict[str, Any]:
        """Return rows of a relation, a view, or a macro with its arguments in order, as `schema` describes them."""
        with _explained():
            is_macro = _schema(name)["what"].startswith("macro:")
            call = f"({', '.join(map(sql_literal, arguments or []))})" if arguments or is_macro else ""
            return _rows(warehouse, f"from {name}{call}", max_rows)

    @made.tool()
    def neuron(name: str, k: int = 5) -> dict[str, Any]:
        """Return all that is stored of MODEL[@CHECKPOINT]/SITE/LAYER/NEURON; k: rows of sentences and the like."""
        with _explained():
            place = parse_neuron(name)
            return as_json(place, whole(warehouse, place, [], k))

    return made


def _schema(name: str | None) -> dict[str, Any]:
    """Return names with what they are, or one of them with its arguments and columns; UsageError for another name."""
    facts = {each.name: f"relation: one row per {each.grain}" for each in RELATIONS.values()}
    asked = {file.name: file for file in sql_files() if file.is_table}
    if name is None:
        return {**facts, **{file.name: f"{file.kind}: {file.description}" for file in asked.values()}}
    if name in RELATIONS:
        columns = {each.name: f"{each.type}: {each.description}" for each in RELATIONS[name].columns}
        return {"what": facts[name], "columns": columns}
    if name not in asked:
        raise UsageError(f"no relation, view or macro {name!r}; there are {', '.join([*facts, *asked])}")
    file = asked[name]
    what = f"{file.kind}: {file.description} One row per {file.grain}."
    return {"what": what, "arguments": dict(file.arguments), "columns": dict(file.columns)}


def _rows(warehouse: Warehouse, statement: str, max_rows: int) -> dict[str, Any]:
    if not 1 <= max_rows <= MAX_ROWS:
        raise UsageError(f"max_rows must be from 1 to {MAX_ROWS}, not {max_rows}")
    found = limited_sql.run(warehouse, statement, max_rows, SECONDS)
    rows = [dict(zip(found.columns, row, strict=True)) for row in zip(*found.values.values(), strict=True)]
    return {"rows": rows, "cut": found.cut}


@contextmanager
def _explained() -> Iterator[None]:
    """Tell the agent what is wrong, as a user of the command line would be told."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        yield
    except NwhError as error:
        raise ToolError(str(error)) from error
