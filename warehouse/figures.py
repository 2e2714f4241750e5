"""One figure of every neuron of a site and corpus, without reading all top sentences for each figure again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.kept import MOST_BYTES, files, kept, table
from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

OF_ACTIVATIONS = ("mean", "std", "skewness", "kurtosis", "share_positive")
OF_LENGTH = {
    "mean_tokens": "select sentence_id, n_tokens as amount from sentence_tokens where corpus = $corpus and model = "
    "$model and checkpoint = $checkpoint",
    "mean_words": "select sentence_id, n_words as amount from sentences where corpus = $corpus",
}
_UNIT = "model = $model and checkpoint = $checkpoint and site = $site and corpus = $corpus"
_READ = ("neuron_topk", "neuron_stats", "sentence_tokens", "sentences", "sentence_metadata", "annotations")


@dataclass(frozen=True)
class _Top:
    """The top sentences of N neurons, K of each.

    layers, neurons, differ: [N]; `differ` is whether the activations do. places: [N, K], sentence_id - first.
    """

    layers: NDArray[np.int16]
    neurons: NDArray[np.int32]
    differ: NDArray[np.bool_]
    places: NDArray[np.int32]
    first: int
    n_places: int

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.places.nbytes + self.layers.nbytes + self.neurons.nbytes + self.differ.nbytes

    def mean(self, sentence_ids: NDArray[np.int64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean amount of each neuron's sentences, [N]; sentences that are not named add 0."""
        import numpy as np

        inside = (sentence_ids >= self.first) & (sentence_ids < self.first + self.n_places)
        dense = np.zeros(self.n_places)
        dense[sentence_ids[inside] - self.first] = amounts[inside]
        step = max(1, 1_000_000 // self.places.shape[1])
        parts = [dense[self.places[at : at + step]].mean(axis=1) for at in range(0, len(self.places), step)]
        return np.concatenate(parts)


def values(warehouse: Warehouse, model: str, checkpoint: str, site: str, corpus: str, figure: str) -> pa.Table:
    """Return the rows of `neuron_figures_of` of one unit.

    Of figures that are means over top sentences SQL says what each sentence adds; which sentences these are is read
    once and kept.
    """
    unit = {"model": model, "checkpoint": checkpoint, "site": site, "corpus": corpus}
    top = None if figure in OF_ACTIVATIONS else _top(warehouse, unit)
    if top is None:
        query = f"select * from neuron_figures_of($figure) where {_UNIT}"
        return table(warehouse, query, {**unit, "figure": figure}, _READ, unit)
    read = tuple(uri for relation in _READ for uri in files(warehouse, relation, unit))
    return kept(("figure", *unit.values(), figure, *read), lambda: _means(warehouse, unit, figure, top))


def _means(warehouse: Warehouse, unit: dict[str, str], figure: str, top: _Top) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    params = {"corpus": unit["corpus"]}
    if figure in OF_LENGTH:
        query = OF_LENGTH[figure]
        params |= {name: unit[name] for name in ("model", "checkpoint") if f"${name}" in query}
    else:
        query = "select sentence_id, amount from sentence_amounts($figure) where corpus = $corpus"
        params["figure"] = figure
    with warehouse.cursor() as cursor:
        rows = cursor.sql(query, params=params).to_arrow_table()
    # a corpus without the figure has none of it; a pole whose sentences all tie has a length, but no share
    live = np.full(len(top.layers), rows.num_rows > 0) & (top.differ | (figure in OF_LENGTH))
    means = top.mean(rows["sentence_id"].to_numpy(), rows["amount"].to_numpy().astype(np.float64))
    n = int(live.sum())
    columns = {name: pa.repeat(pa.scalar(value), n) for name, value in unit.items()}
    columns |= {"layer": pa.array(top.layers[live]), "neuron": pa.array(top.neurons[live])}
    return pa.table({**columns, "figure": pa.repeat(pa.scalar(figure), n), "value": pa.array(means[live])})


def _top(warehouse: Warehouse, unit: dict[str, str]) -> _Top | None:
    """Return the top sentences of a unit; null where there are none or they are too many to keep."""
    key = ("top", *unit.values(), *files(warehouse, "neuron_topk", unit))
    return kept(key, lambda: _read_top(warehouse, unit))


def _read_top(warehouse: Warehouse, unit: dict[str, str]) -> _Top | None:
    import numpy as np

    with warehouse.cursor() as cursor:
        found = cursor.execute(
            f"select min(sentence_id), max(sentence_id), count(*) from neuron_topk where {_UNIT} and pole = 'top'",
            unit,
        ).fetchall()
        first, last, n_rows = found[0]
        if not 0 < n_rows * 4 <= MOST_BYTES // 4 or last - first >= n_rows + 10_000_000:
            return None
        query = (
            "select layer, neuron, (sentence_id - $first)::integer as place, activation from neuron_topk "
            f"where {_UNIT} and pole = 'top'"
        )
        rows = cursor.sql(query, params={**unit, "first": first}).to_arrow_table()
    layer, neuron, place, activation = (rows[name].to_numpy() for name in rows.column_names)
    key = layer.astype(np.int64) << 32 | neuron
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key, kind="stable")
        key, layer, neuron, place, activation = (each[order] for each in (key, layer, neuron, place, activation))
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    k = n_rows // len(starts)
    if (np.diff(starts) != k).any() or n_rows != k * len(starts):
        return None  # neurons with different numbers of sentences are left to SQL
    of_neurons = activation.reshape(-1, k)
    differ = of_neurons.max(axis=1) > of_neurons.min(axis=1)
    return _Top(layer[starts], neuron[starts], differ, place.reshape(-1, k), first, last - first + 1)
