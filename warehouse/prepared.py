"""Tables that pages start from and that take seconds to make, since they read millions of rows: made once, then kept.

They depend on the stored files alone. `prepare` makes them before anybody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import NwhError
from warehouse.kept import MOST_BYTES, files, kept, partitions, table
from warehouse.neuron_queries import Extent, extents
from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from warehouse.neurons import Neuron

_METADATA = ("neuron_topk", "sentence_metadata", "sentence_tokens")
_CLASSES = {
    "dead": ("neuron_stats", ("neuron_stats",)),
    "token detector": ("neuron_patterns", ("neuron_patterns",)),
    "n-gram detector": ("neuron_patterns", ("neuron_patterns",)),
    "positional": ("activation_sample", ("activation_sample", "sentence_tokens")),
    "class-selective": ("neuron_topk", _METADATA),
}
"""Class of neurons -> the relation whose partitions have neurons of it, and all that are read."""


# -- words and tags of corpora -----------------------------------------------------------------------------


def counted(warehouse: Warehouse, view: str, of: Neuron | Extent, corpora: Sequence[str], annotator: str) -> pa.Table:
    """Return the rows of `corpus_words` or `corpus_tags` of a checkpoint over these corpora."""
    import pyarrow as pa

    query = (
        f"select * from {view} where model = $model and checkpoint = $checkpoint and corpus = $corpus "
        "and annotator = $annotator"
    )
    place = {"model": of.model, "checkpoint": of.checkpoint, "annotator": annotator}
    units = [{**place, "corpus": corpus} for corpus in corpora]
    return pa.concat_tables([table(warehouse, query, unit, ("annotations", "sentence_tokens"), unit) for unit in units])


# -- classes of neurons ------------------------------------------------------------------------------------


def class_neurons(warehouse: Warehouse, wanted: Mapping[str, str]) -> pa.Table:
    """Return the rows of `class_neurons` of the models, checkpoints, sites and corpora wanted; all where none is."""
    import pyarrow as pa

    names = ("model", "checkpoint", "site", "corpus")
    query = "select * from class_neurons where " + " and ".join(f"{name} = ${name}" for name in names)
    units = partitions(warehouse, "neuron_topk", wanted) or [dict.fromkeys(names, "")]
    return pa.concat_tables([table(warehouse, query, unit, _METADATA, unit) for unit in units])


def neuron_classes(warehouse: Warehouse, name: str, wanted: Mapping[str, str]) -> pa.Table:
    """Return the rows of `neuron_classes` of one class; wanted: values of model, checkpoint, site and scope."""
    import pyarrow as pa

    of, relations = _CLASSES[name]
    columns = {"corpus": wanted["scope"]} if "scope" in wanted else {}
    units = partitions(warehouse, of, {**wanted, **columns, "kind": "word", "pole": "top"})
    at_hand = name == "class-selective"
    source = "neuron_classes_at(classes := 'class_neurons_at_hand')" if at_hand else "neuron_classes"
    query = (
        f"select * from {source} where class = $class and model = $model and checkpoint = $checkpoint "
        "and site = $site and scope = $scope"
    )
    found = []
    for unit in units or [{}]:
        place = {key: unit.get(key, "") for key in ("model", "checkpoint", "site")}
        params = {"class": name, **place, "scope": unit.get("scope", unit.get("corpus", ""))}
        classes = partial(class_neurons, warehouse, {**place, "corpus": params["scope"]})
        tables = {"class_neurons_at_hand": classes} if at_hand else {}
        found.append(table(warehouse, query, params, relations, unit, tables))
    return pa.concat_tables(found)


# -- sampled activations -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """The sampled activations of a checkpoint at a site.

    sentences: corpus and sentence_id of each. activations: an array [sentences, neurons] of each layer. lengths: the
    Euclidean length of each neuron's column, [neurons] of each layer.
    """

    sentences: pa.Table
    activations: tuple[NDArray[np.float32], ...]
    lengths: tuple[NDArray[np.float64], ...]

    def of(self, neuron: Neuron) -> pa.Table:
        """Return one neuron's rows: corpus, sentence_id, activation."""
        import pyarrow as pa

        values = pa.array(self.activations[neuron.layer][:, neuron.neuron])
        return self.sentences.append_column("activation", values)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        of_layers = zip(self.activations, self.lengths, strict=True)
        return int(self.sentences.nbytes) + sum(values.nbytes + lengths.nbytes for values, lengths in of_layers)


def sample(warehouse: Warehouse, model: str, checkpoint: str, site: str) -> Sample | None:
    """Return the sampled activations of all corpora; null where none are stored or they are too many to keep."""
    unit = {"model": model, "checkpoint": checkpoint, "site": site}
    key = ("sample", *unit.values(), *files(warehouse, "activation_sample", unit))
    return kept(key, lambda: _read_sample(warehouse, unit))


def _read_sample(warehouse: Warehouse, unit: dict[str, str]) -> Sample | None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    where = " and ".join(f"{name} = ${name}" for name in unit)
    with warehouse.cursor() as cursor:
        size = cursor.execute(
            "select coalesce(any_value(if(site = 'ffn', d_ffn, d_model)), 0) * count(*) * 4 from activation_sample "
            f"inner join checkpoints using (model, checkpoint) where {where}",
            unit,
        ).fetchall()[0][0]
        if not 0 < size <= MOST_BYTES // 2:
            return None
        query = f"select layer, corpus, sentence_id, activations from activation_sample where {where}"
        rows = cursor.sql(query, params=unit).to_arrow_table()
    layers, ids = rows["layer"].to_numpy(), rows["sentence_id"].to_numpy()
    values = pc.list_flatten(rows["activations"]).to_numpy().reshape(rows.num_rows, -1)
    of_layers = [np.flatnonzero(layers == layer) for layer in range(int(layers.max()) + 1)]
    orders = [places[np.argsort(ids[places], kind="stable")] for places in of_layers]
    if any(not np.array_equal(ids[order], ids[orders[0]]) for order in orders):
        return None  # layers that were not sampled alike are left to `similar_neurons`
    activations = tuple(values[order] for order in orders)
    lengths = tuple(np.sqrt(np.einsum("ij,ij->j", of, of, dtype=np.float64)) for of in activations)
    return Sample(rows.select(["corpus", "sentence_id"]).take(pa.array(orders[0])), activations, lengths)


# -- ahead of time -----------------------------------------------------------------------------------------


def prepare(warehouse: Warehouse) -> None:
    """Make what pages of the first model's last checkpoint start from, for a thread beside them: it reads all its rows.

    It asks on a connection of its own with one thread, so that pages go first. What goes wrong is left to the page
    that asks for it.
    """
    aside = Warehouse(warehouse.storage)
    aside.snapshot = warehouse.snapshot
    with suppress(NwhError, duckdb.Error):
        aside.connection.execute("set threads = 1")
        known = extents(aside)
        shown = [(of.model, of.checkpoint) for of in known if of.model == known[0].model][-1:]
        chosen = [of for of in known if (of.model, of.checkpoint) in shown]
        for extent in chosen:
            sample(aside, extent.model, extent.checkpoint, extent.site)
        for extent in chosen[:1]:
            for unit in partitions(aside, "annotations", {}):
                if unit["corpus"] in extent.corpora:
                    for view in ("corpus_words", "corpus_tags"):
                        counted(aside, view, extent, [unit["corpus"]], unit["annotator"])
        for extent in chosen:
            place = {"model": extent.model, "checkpoint": extent.checkpoint, "site": extent.site}
            class_neurons(aside, place)
            for name in _CLASSES:
                neuron_classes(aside, name, place)
