"""Tables that pages start from and that take seconds to make, since they read millions of rows: made once, then kept.

They depend on the stored files alone. `prepared` makes them before anybody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nwh.warehouse.kept import MOST_BYTES, files, kept, partitions, table
from nwh.warehouse.top import metadata_supports
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from nwh.warehouse.neurons import Neuron

METADATA = ("neuron_topk", "sentence_metadata", "sentence_tokens")
NEURON_METADATA = "neuron_metadata_against('supports_at_hand', 'counts_at_hand')"
"""The rows of `neuron_metadata` of tables at hand."""
CLASSES = {
    "dead": ("neuron_stats", ("neuron_stats",)),
    "token detector": ("neuron_patterns", ("neuron_patterns",)),
    "n-gram detector": ("neuron_patterns", ("neuron_patterns",)),
    "positional": ("activation_sample", ("activation_sample", "sentence_tokens")),
    "class-selective": ("neuron_topk", METADATA),
}
"""Class of neurons -> the relation whose partitions have neurons of it, and all that are read."""


# -- metadata of corpora -------------------------------------------------------------------------------------


def corpus_metadata(warehouse: Warehouse, model: str, checkpoint: str, corpora: Sequence[str]) -> pa.Table:
    """Return the rows of `corpus_metadata` of a checkpoint over these corpora."""
    import pyarrow as pa

    query = "select * from corpus_metadata where model = $model and checkpoint = $checkpoint and corpus = $corpus"
    units = [{"model": model, "checkpoint": checkpoint, "corpus": corpus} for corpus in corpora]
    read = ("sentence_metadata", "sentence_tokens")
    return pa.concat_tables([table(warehouse, query, unit, read, unit) for unit in units])


def metadata_of(warehouse: Warehouse, *units: dict[str, str]) -> dict[str, Callable[[], pa.Table]]:
    """Return the tables that NEURON_METADATA names: of units (model, checkpoint, site, corpus) of one checkpoint."""
    import pyarrow as pa

    corpora = [unit["corpus"] for unit in units]
    counts = partial(corpus_metadata, warehouse, units[0]["model"], units[0]["checkpoint"], corpora)

    def supports() -> pa.Table:
        return pa.concat_tables([metadata_supports(warehouse, unit) for unit in units])

    return {"supports_at_hand": supports, "counts_at_hand": counts}


# -- classes of neurons ------------------------------------------------------------------------------------


def class_neurons(warehouse: Warehouse, wanted: Mapping[str, str]) -> pa.Table:
    """Return the rows of `class_neurons` of the models, checkpoints, sites and corpora wanted; all where none is."""
    import pyarrow as pa

    names = ("model", "checkpoint", "site", "corpus")
    query = (
        f"with metadata as materialized (from {NEURON_METADATA}) select * from class_neurons_against('metadata') where "
        + " and ".join(f"{name} = ${name}" for name in names)
    )
    units = partitions(warehouse, "neuron_topk", wanted)
    made = [table(warehouse, query, unit, METADATA, unit, metadata_of(warehouse, unit)) for unit in units]
    return pa.concat_tables(made or [table(warehouse, "from class_neurons limit 0", {}, (), {})])


def neuron_classes(warehouse: Warehouse, name: str, wanted: Mapping[str, str]) -> pa.Table:
    """Return the rows of `neuron_classes` of one class; wanted: values of model, checkpoint, site and scope."""
    import pyarrow as pa

    of, relations = CLASSES[name]
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

    sentences: corpus and sentence_id of each. activations: an array [sentences, neurons] of each layer. moments: by
    corpus its number of sentences, and the mean and the sum of squared deviations of each neuron, [layers, neurons].
    """

    sentences: pa.Table
    activations: tuple[NDArray[np.float32], ...]
    moments: Mapping[str, tuple[int, NDArray[np.float64], NDArray[np.float64]]]

    def chosen(self, corpora: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the places of the sentences of some corpora, and there the spread of each neuron, [layers, neurons].

        The spread is the Euclidean length of what is left of a neuron's activations without their mean; 0 where they
        are all the same.
        """
        import numpy as np

        places = np.flatnonzero(np.isin(self.sentences["corpus"].to_numpy(), list(corpora)))
        of = [self.moments[corpus] for corpus in corpora if corpus in self.moments]
        mean = sum(n * means for n, means, _ in of) / max(len(places), 1)
        squares = np.asarray(sum(around + n * (means - mean) ** 2 for n, means, around in of))
        # what varies in single precision does so by far more than this
        return places, np.sqrt(np.where(squares > len(places) * (1e-12 * mean) ** 2, squares, 0))

    def of(self, neuron: Neuron) -> pa.Table:
        """Return one neuron's rows: corpus, sentence_id, activation."""
        import pyarrow as pa

        values = pa.array(self.activations[neuron.layer][:, neuron.neuron])
        return self.sentences.append_column("activation", values)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        moments = sum(means.nbytes + around.nbytes for _, means, around in self.moments.values())
        return int(self.sentences.nbytes) + moments + sum(values.nbytes for values in self.activations)


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
    sentences = rows.select(["corpus", "sentence_id"]).take(pa.array(orders[0]))
    corpora, moments = sentences["corpus"].to_numpy(), {}
    for corpus in np.unique(corpora):
        own = corpora == corpus
        means = np.stack([of[own].mean(axis=0, dtype=np.float64) for of in activations])
        around = [np.square(of[own] - mean).sum(axis=0) for of, mean in zip(activations, means, strict=True)]
        moments[str(corpus)] = (int(own.sum()), means, np.stack(around))
    return Sample(sentences, activations, moments)
