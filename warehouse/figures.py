"""One figure of every neuron of a site and corpus, without reading all top sentences for each figure again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwh.warehouse.kept import files, kept, table
from nwh.warehouse.statements import literal
from nwh.warehouse.top import Top, top_sentences
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

OF_ACTIVATIONS = ("mean", "std", "skewness", "kurtosis", "share_positive")
OF_LENGTH = {
    "mean_tokens": "select sentence_id, n_tokens as amount from sentence_tokens where corpus = $corpus and model = "
    "$model and checkpoint = $checkpoint",
    "mean_words": "select sentence_id, n_words as amount from sentences where corpus = $corpus",
}
OF_WORDS = (
    "nouns",
    "verbs",
    "adjectives",
    "adverbs",
    "pronouns",
    "determiners",
    "prepositions",
    "conjunctions",
    "numbers",
    "modals",
    "others",
)
_UNIT = "model = $model and checkpoint = $checkpoint and site = $site and corpus = $corpus"
_READ = ("neuron_topk", "neuron_stats", "sentence_tokens", "sentences", "sentence_metadata", "annotations")


def values(warehouse: Warehouse, model: str, checkpoint: str, site: str, corpus: str, figure: str) -> pa.Table:
    """Return the rows of `neuron_figures_of` of one unit.

    Of figures that are means over top sentences SQL says what each sentence adds; which sentences these are is read
    once and kept.
    """
    unit = {"model": model, "checkpoint": checkpoint, "site": site, "corpus": corpus}
    top = None if figure in OF_ACTIVATIONS else top_sentences(warehouse, unit)
    if top is None:
        query = f"select * from neuron_figures_of($figure) where {_UNIT}"
        return table(warehouse, query, {**unit, "figure": figure}, _READ, unit)
    read = tuple(uri for relation in _READ for uri in files(warehouse, relation, unit))
    return kept(("figure", *unit.values(), figure, *read), lambda: _means(warehouse, unit, figure, top))


def _means(warehouse: Warehouse, unit: dict[str, str], figure: str, top: Top) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    rows = amounts(warehouse, unit, figure)
    # a corpus without the figure has none of it; a pole whose sentences all tie has a length, but no share
    live = np.full(len(top.layers), rows.num_rows > 0) & (top.differ | (figure in OF_LENGTH))
    means = top.mean(rows["sentence_id"].to_numpy(), rows["amount"].to_numpy().astype(np.float64))
    n = int(live.sum())
    columns = {name: pa.repeat(pa.scalar(value), n) for name, value in unit.items()}
    columns |= {"layer": pa.array(top.layers[live]), "neuron": pa.array(top.neurons[live])}
    return pa.table({**columns, "figure": pa.repeat(pa.scalar(figure), n), "value": pa.array(means[live])})


def amounts(warehouse: Warehouse, unit: dict[str, str], figure: str) -> pa.Table:
    """Return what sentences add to a figure: sentence_id, amount."""
    import pyarrow.compute as pc

    if figure in OF_WORDS:
        counted = words_of_classes(warehouse, unit["corpus"])
        return counted.filter(pc.equal(counted["figure"], figure))
    params = {"corpus": unit["corpus"]}
    if figure in OF_LENGTH:
        query = OF_LENGTH[figure]
        params |= {name: unit[name] for name in ("model", "checkpoint") if f"${name}" in query}
    else:
        query = "select sentence_id, amount from sentence_amounts($figure) where corpus = $corpus"
        params["figure"] = figure
    with warehouse.cursor() as cursor:
        return cursor.sql(query, params=params).to_arrow_table()


def words_of_classes(warehouse: Warehouse, corpus: str) -> pa.Table:
    """Return how many words of each class the sentences of a corpus have: sentence_id, figure, amount."""
    names = ", ".join(map(literal, OF_WORDS))
    query = (
        f"select sentence_id, figure::enum({names}) as figure, amount::usmallint as amount from sentence_amounts(null) "
        f"where corpus = $corpus and figure in ({names})"
    )
    return table(warehouse, query, {"corpus": corpus}, ("annotations",), {"corpus": corpus})
