"""A warehouse that notes the statements it is asked, so that a report can stand beside the SQL that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from nwh.warehouse.neuron_queries import Answer
from nwh.warehouse.statements import written_out
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Noted(Answer):
    """The rows of a question with the statements that it took, as `nwh sql` takes them."""

    statements: tuple[str, ...] = ()


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
        taken = self.taken()
        return Noted(answer.columns, answer.rows, answer.sql, (answer.sql,) if answer.sql else taken)

    def taken(self) -> tuple[str, ...]:
        """Return the statements since this was last called."""
        statements = tuple(dict.fromkeys(self._statements))
        self._statements.clear()
        return statements


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
        self._statements.append(written_out(query, params))
        return self._connection.execute(query, params)
