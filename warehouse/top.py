"""The top sentences of all neurons of a site and corpus, as arrays: what millions of rows are counted from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nwh.warehouse.kept import MOST_BYTES, files, kept
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_POLE = "model = $model and checkpoint = $checkpoint and site = $site and corpus = $corpus and pole = $pole"
_AT_ONCE = 4_000_000
"""Sentences (counts) that are looked at together."""


@dataclass(frozen=True)
class Top:
    """The top sentences of N neurons, K of each.

    layers, neurons, differ: [N]; `differ` is whether the activations do. places: [N, K], sentence_id - first.
    first + n_places - 1 is the last sentence_id.
    """

    layers: NDArray[np.int16]
    neurons: NDArray[np.int32]
    differ: NDArray[np.bool_]
    places: NDArray[np.uint16] | NDArray[np.int32]
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

    def supports(
        self, sentence_ids: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Yield how many sentences of a neuron have each code, where any has: places in [N], codes (from 0), counts.

        sentence_ids, codes: one row per code of a sentence, which may have several.
        """
        import numpy as np

        width = int(codes.max(initial=-1)) + 2  # column 0: no code
        inside = (sentence_ids >= self.first) & (sentence_ids < self.first + self.n_places)
        places, codes = (sentence_ids - self.first)[inside], codes[inside]
        order = np.argsort(places, kind="stable")
        places, codes = places[order], codes[order]
        nth = np.arange(len(places)) - np.searchsorted(places, places)
        dense = np.zeros((int(nth.max(initial=-1)) + 1, self.n_places), np.int64)
        dense[nth, places] = codes + 1
        step = max(1, _AT_ONCE // max(width, self.places.shape[1]))
        for at in range(0, len(self.places), step):
            some = self.places[at : at + step]
            rows = np.arange(len(some))[:, None] * width
            counts = np.zeros(len(some) * width, np.int64)
            for each in dense:
                counts += np.bincount((each[some] + rows).ravel(), minlength=len(counts))
            table = counts.reshape(-1, width)[:, 1:]
            neurons, found = table.nonzero()
            yield neurons + at, found, table[neurons, found]


def top_sentences(warehouse: Warehouse, unit: dict[str, str]) -> Top | None:
    """Return the top sentences of a unit (model, checkpoint, site, corpus); null: none are stored, or too many."""
    key = ("top", *unit.values(), *files(warehouse, "neuron_topk", unit))
    return kept(key, lambda: _read(warehouse, unit, "top"))


def metadata_supports(warehouse: Warehouse, unit: dict[str, str]) -> pa.Table:
    """Return the rows of `metadata_supports` of a unit."""
    read = (uri for relation in ("neuron_topk", "sentence_metadata") for uri in files(warehouse, relation, unit))
    return kept(("metadata supports", *unit.values(), *read), lambda: _metadata_supports(warehouse, unit))


def _metadata_supports(warehouse: Warehouse, unit: dict[str, str]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    values = "select key, value from sentence_metadata where corpus = $corpus group by all"
    coded = (
        f"with named as (select key, value, row_number() over (order by key, value) - 1 as code from ({values})) "
        "select sentence_id, code, key, value from sentence_metadata inner join named using (key, value) "
        "where corpus = $corpus order by code"
    )
    with warehouse.cursor() as cursor:
        rows = cursor.sql(coded, params={"corpus": unit["corpus"]}).to_arrow_table()
    ids, codes = rows["sentence_id"].to_numpy(), rows["code"].to_numpy()
    names = rows.select(["key", "value"]).take(pa.array(np.unique(codes, return_index=True)[1]))
    found = []
    for pole in ("top", "bottom"):
        top = top_sentences(warehouse, unit) if pole == "top" else _read(warehouse, unit, pole)
        if top is None:
            return _metadata_supports_of_view(warehouse, unit)
        neurons, with_code, counts = (np.concatenate(each) for each in zip(*top.supports(ids, codes), strict=True))
        live = top.differ[neurons]
        neurons, with_code, counts = neurons[live], with_code[live].astype(np.int32), counts[live]
        same = np.zeros(len(neurons), np.int8)
        columns = {name: pa.DictionaryArray.from_arrays(same, [value]) for name, value in unit.items()}
        columns |= {"layer": pa.array(top.layers[neurons]), "neuron": pa.array(top.neurons[neurons])}
        columns |= {"pole": pa.DictionaryArray.from_arrays(same, [pole])}
        for name in names.column_names:
            columns[name] = pa.DictionaryArray.from_arrays(with_code, names[name].combine_chunks())
        k = np.full(len(neurons), top.places.shape[1], np.int32)
        found.append(pa.table({**columns, "support": pa.array(counts.astype(np.int32)), "k": pa.array(k)}))
    return pa.concat_tables(found)


def _metadata_supports_of_view(warehouse: Warehouse, unit: dict[str, str]) -> pa.Table:
    import pyarrow as pa

    where = " and ".join(f"{name} = ${name}" for name in unit)
    with warehouse.cursor() as cursor:
        rows = cursor.sql(f"select * from metadata_supports where {where}", params=unit).to_arrow_table()
    for place, (name, field) in enumerate(zip(rows.column_names, rows.schema, strict=True)):
        if pa.types.is_string(field.type):
            values = rows[name].combine_chunks().dictionary_encode()
            indices = values.indices.cast(pa.int32() if name in ("key", "value") else pa.int8())
            rows = rows.set_column(place, name, pa.DictionaryArray.from_arrays(indices, values.dictionary))
    return rows


def _read(warehouse: Warehouse, unit: dict[str, str], pole: str) -> Top | None:
    import numpy as np

    with warehouse.cursor() as cursor:
        found = cursor.execute(
            f"select min(sentence_id), max(sentence_id), count(*) from neuron_topk where {_POLE}",
            {**unit, "pole": pole},
        ).fetchall()
        first, last, n_rows = found[0]
        if not 0 < n_rows * 4 <= MOST_BYTES // 4 or last - first >= n_rows + 10_000_000:
            return None
        query = (
            f"select layer, neuron, (sentence_id - $first)::integer as place, activation from neuron_topk where {_POLE}"
        )
        rows = cursor.execute(query, {**unit, "pole": pole, "first": first}).fetchnumpy()
    layer, neuron, place, activation = rows.values()
    if not _are_sorted(layer, neuron):
        order = np.lexsort((neuron, layer))
        layer, neuron, place, activation = (each[order] for each in (layer, neuron, place, activation))
    starts = np.flatnonzero(np.concatenate([[True], (layer[1:] != layer[:-1]) | (neuron[1:] != neuron[:-1])]))
    k = n_rows // len(starts)
    if (np.diff(starts) != k).any() or n_rows != k * len(starts):
        return None  # neurons with different numbers of sentences are left to SQL
    of_neurons = activation.reshape(-1, k)
    differ = of_neurons.max(axis=1) > of_neurons.min(axis=1)
    n_places = last - first + 1
    places: NDArray[Any] = place.reshape(-1, k).astype(np.uint16 if n_places <= 1 << 16 else np.int32)
    return Top(layer[starts], neuron[starts], differ, places, first, n_places)


def _are_sorted(layer: NDArray[np.int16], neuron: NDArray[np.int32]) -> bool:
    later = (layer[1:] > layer[:-1]) | ((layer[1:] == layer[:-1]) & (neuron[1:] >= neuron[:-1]))
    return bool(later.all())
