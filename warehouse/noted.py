"""A warehouse that notes the statements it is asked, so that a report can stand beside the SQL that made it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from warehouse.neuron_queries import Answer
from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

# Counts of whole corpora are kept in memory while many neurons are asked about; these views count by themselves.
_VIEWS = {
    "neuron_words_against('counted_words')": "neuron_words",
    "neuron_tag_distribution_against('counted_tags')": "neuron_tag_distribution",
}
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Noted(Answer):
    """The rows of a question with the statements that it took, as `nwh sql` takes them."""

    statements: tuple[str, ...]


class NotingWarehouse(Warehouse):
    """The same snapshot as another warehouse, for questions of the `*_queries` modules."""

    def __init__(self, warehouse: Warehouse) -> None:
        """Ask `warehouse`, on its connection."""
        super().__init__(warehouse.storage)
        self.snapshot = warehouse.snapshot
        self._asked = warehouse
        self._statements: list[str] = []

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The other warehouse's connection, as far as `neuron_queries.ask` uses it."""
        return cast("duckdb.DuckDBPyConnection", _Connection(self._asked.connection, self._statements))

    def ask(self, question: Callable[..., Answer], *arguments: Any, **options: Any) -> Noted:
        """Return the answer to a question (a function of a warehouse), with its statements."""
        self.taken()
        answer = question(self, *arguments, **options)
        return Noted(answer.columns, answer.rows, self.taken())

    def taken(self) -> tuple[str, ...]:
        """Return the statements since this was last called."""
        statements = tuple(dict.fromkeys(self._statements))
        self._statements.clear()
        return statements


def written_out(query: str, params: Mapping[str, Any]) -> str:
    """Return a query with the values of its named parameters in their places.

    >>> written_out("select $k from t where name = $name", {"k": 3, "name": "it's"})
    "select 3 from t where name = 'it''s'"
    """
    return _PARAMETER.sub(lambda found: _literal(params[found[1]]), query)


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case list() | tuple():
            return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


class _Connection:
    def __init__(self, connection: duckdb.DuckDBPyConnection, statements: list[str]) -> None:
        self._connection = connection
        self._statements = statements

    def cursor(self) -> _Connection:
        return _Connection(self._connection.cursor(), self._statements)

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str, params: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        stored = query
        for against, view in _VIEWS.items():
            stored = stored.replace(against, view)
        self._statements.append(written_out(stored, params))
        return self._connection.execute(query, params)
