"""The warehouse in notebooks and scripts: neurons to look at, views and macros as polars frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from nwh.warehouse import NwhError
from nwh.warehouse import Warehouse as _Warehouse
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron, parse_neuron
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.statements import sql_literal

if TYPE_CHECKING:
    import polars as pl

    from nwh.warehouse.queries.answers import Answer

_log = logging.getLogger(__name__)


class Warehouse(_Warehouse):
    """One warehouse: a consistent snapshot of its relations, and what there is to ask of it.

    >>> warehouse = Warehouse.open("nwh-data")
    >>> warehouse.neuron("bert-base-uncased/ffn/3/17")
    >>> warehouse.view("class_neurons").filter(pl.col("lift") > 2).collect()
    >>> warehouse.sql("select corpus, n_sentences from corpora").pl()
    """

    def neuron(self, name: str, corpora: Sequence[str] = (), k: int = 10, tokens: bool = True) -> NeuronPage:
        """Return what is known of MODEL[@CHECKPOINT]/SITE/LAYER/NEURON, which a notebook shows.

        corpora: all that it was run over where empty. k: sentences of each pole. tokens: whether the model, where it is
        on this machine, runs over the sentences shown, for the colours of their tokens. UsageError for a neuron or
        corpus that is not stored.
        """
        return NeuronPage(self, parse_neuron(name), corpora, k, tokens)

    def view(self, name: str, *arguments: Any, **named: Any) -> pl.LazyFrame:
        """Return a view, or a macro with its arguments, as a polars LazyFrame; DuckDB computes what is asked of it.

        >>> warehouse.view("top_sentences", ["brown"], 10)

        UsageError for a name that is no view and no macro that gives a table; what the arguments are, `nwh docs` says.
        """
        from polars.io.plugins import register_io_source

        from nwh.warehouse import sandbox

        tables = {file.name: file.kind for file in sql_files() if file.is_table}
        if name not in tables and name not in RELATIONS:
            known = ", ".join([*tables, *RELATIONS])
            raise UsageError(f"no view, macro or relation {name!r}; there are {known}")
        given = [*map(sql_literal, arguments), *(f"{key} := {sql_literal(value)}" for key, value in named.items())]
        call = f"{name}({', '.join(given)})" if given or tables.get(name) == "macro" else name
        with sandbox.explained(), self.cursor() as cursor:
            schema = cursor.sql(f"from {call}").pl(lazy=True).collect_schema()
        return register_io_source(partial(_scanned, self, call), schema=schema)


def _scanned(
    warehouse: _Warehouse,
    call: str,
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
    batch_size: int | None,
) -> Iterator[pl.DataFrame]:
    """Yield what polars asks of a view, computed by DuckDB on a cursor of its own: one plan may ask several at once."""
    from nwh.warehouse import sandbox

    with sandbox.explained(), warehouse.cursor() as cursor:
        frame: pl.LazyFrame = cursor.sql(f"from {call}").pl(lazy=True)
        frame = frame if predicate is None else frame.filter(predicate)
        frame = frame if with_columns is None else frame.select(with_columns)
        yield (frame if n_rows is None else frame.head(n_rows)).collect()


class NeuronPage:
    """What a warehouse knows of one neuron: tables by title, a JSON object, a page of HTML."""

    def __init__(self, warehouse: _Warehouse, neuron: Neuron, corpora: Sequence[str], k: int, tokens: bool) -> None:
        """Look the neuron up; see `Warehouse.neuron`."""
        from nwh.warehouse.queries import neurons

        extent = neurons.extent_of(warehouse, neuron)
        extent.check(neuron, corpora)
        self.neuron = neuron
        self.corpora = tuple(corpora or extent.corpora)
        self._warehouse, self._k, self._tokens = warehouse, k, tokens

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Statistics, sentences, metadata, words, patterns, explanations and the rest of the page, by title."""
        import polars as pl

        return {
            title: pl.DataFrame(answer.rows, schema=answer.columns, orient="row", infer_schema_length=None)
            for title, answer in self._answers.items()
        }

    def json(self) -> dict[str, Any]:
        """Return the whole page as JSON knows it: the neuron's place, and each table as a list of objects."""
        from nwh.warehouse.queries.neuron_description import as_json

        return as_json(self.neuron, self._answers)

    @cached_property
    def _answers(self) -> dict[str, Answer]:
        from nwh.warehouse.queries.neuron_description import whole

        return whole(self._warehouse, self.neuron, list(self.corpora), self._k)

    def __repr__(self) -> str:
        """Return the neuron's name and what it was run over."""
        return f"<neuron {self.neuron} over {', '.join(self.corpora)}>"

    def _repr_html_(self) -> str:
        """Return name, explanations, histogram, and top and bottom sentences with the colours of their tokens."""
        from nwh.dashboards.html import markup

        lists = [self._answers[f"{pole} sentences"].records for pole in ("top", "bottom")]
        values = self._token_values([row["text"] for rows in lists for row in rows])
        scale = max((abs(value) for some in values or () for _, _, value in some), default=0.0)
        parts = [markup.STYLE, str(markup.heading(str(self.neuron)))]
        if found := self._answers.get("explanations"):
            header = ("explanation", "source", "AUROC", "of another's")
            said = [
                (row["explanation"], [row["source"], *map(_figure, (row["auroc"], row["control_auroc"]))])
                for row in found.records
            ]
            parts.append(markup.table(header, said))
        parts += [markup.histogram(self._answers["histogram"].records)]
        parts += [markup.colour_scale(scale)] if values else []
        start = 0
        for pole, rows in zip(("Top", "Bottom"), lists, strict=True):
            of_rows = values[start : start + len(rows)] if values else None
            start += len(rows)
            parts += [str(markup.heading(f"{pole} sentences")), markup.sentence_list(rows, of_rows, scale)]
        return "".join(parts)

    def _token_values(self, texts: Sequence[str]) -> list[list[tuple[int, int, float]]] | None:
        """Return the activation at each token of each text; null, with a warning, where the model cannot be run."""
        if not self._tokens:
            return None
        from nwh.ingest.activations.live_activations import token_activations

        try:
            found = token_activations(self._warehouse, self.neuron, texts)
        except (NwhError, OSError, ImportError) as error:
            _log.warning("tokens have no colours, because the model cannot be run: %s", error)
            return None
        return [
            [
                (start, end, value)
                for (start, end), special, value in zip(one.spans, one.special, one.activations, strict=True)
                if end > start and not special
            ]
            for one in found
        ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
