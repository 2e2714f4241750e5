"""The rows of a query, and the statement that gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nwh.warehouse import output
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.statements import sql_literal, written_out
from nwh.warehouse.warehouse import Warehouse

PLACE = "model, checkpoint, site, layer, neuron"
"""The columns that name a neuron."""
OF_SITE = "model = $model and checkpoint = $checkpoint and site = $site"
OF_NEURON = f"{OF_SITE} and layer = $layer and neuron = $neuron"
OF_CORPORA = f"{OF_NEURON} and list_contains($corpora, corpus)"
"""Conditions: of a site, of one neuron, of it over some corpora."""


@dataclass(frozen=True)
class Answer:
    """The rows of a query.

    sql: the statement that gives them, as `nwh sql` takes it; null where no one statement does.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    sql: str | None = None

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as column -> value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def part(self, column: str, value: Any) -> Answer:
        """Return the rows that have a value in a column, without this column."""
        place = self.columns.index(column)
        return Answer(
            [name for name in self.columns if name != column],
            [row[:place] + row[place + 1 :] for row in self.rows if row[place] == value],
            self.sql and f'select * exclude ("{column}") from (\n{self.sql}\n) where "{column}" = {sql_literal(value)}',
        )

    def first(self, n: int) -> Answer:
        """Return the first n rows."""
        return Answer(self.columns, self.rows[:n], self.sql and f"select * from (\n{self.sql}\n) limit {n}")


def ask(
    warehouse: Warehouse, query: str, neuron: Neuron | None = None, corpora: Sequence[str] = (), /, **params: Any
) -> Answer:
    """Run a query on a cursor of its own, so that sessions of a server can share a warehouse."""
    if neuron is not None:
        params |= {**neuron.params, "corpora": list(corpora)}
    with warehouse.cursor() as cursor:
        result = cursor.execute(query, params)
        return Answer(output.columns(result), result.fetchall(), written_out(query, params))
