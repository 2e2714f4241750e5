"""What pages start from, made ahead of time by a thread beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import duckdb

from nwh.warehouse import across_queries, pair_queries, words
from nwh.warehouse.at_hand import (
    CLASSES,
    class_neurons,
    corpus_metadata,
    neuron_classes,
    sample,
)
from nwh.warehouse.errors import NwhError
from nwh.warehouse.figures import words_of_classes
from nwh.warehouse.kept import MOST_BYTES, n_bytes, partitions
from nwh.warehouse.neuron_queries import Extent, extents
from nwh.warehouse.top import top_sentences
from nwh.warehouse.warehouse import Warehouse

Step = tuple[str, Callable[[], object]]
"""What is read, in words, and the function that reads it."""

_under_way: dict[str, str] = {}
"""What `prepare` reads now, by the address of the warehouse."""


def under_way(warehouse: Warehouse) -> str | None:
    """Return what `prepare` reads of this warehouse now, as `words of corpus brown`; null where it is done."""
    return _under_way.get(warehouse.storage.uri)


def prepare(warehouse: Warehouse) -> None:
    """Make what pages of models' last checkpoints start from, for a thread beside them: it reads all their rows.

    It asks on a connection of its own with one thread, so that pages go first, and ends before what was made first
    would have to go again. What goes wrong is left to the page that asks for it.
    """
    aside = Warehouse(warehouse.storage)
    aside.snapshot = warehouse.snapshot
    try:
        with suppress(NwhError, duckdb.Error):
            aside.connection.execute("set threads = 1")
            for what, make in steps(aside):
                if n_bytes() > MOST_BYTES * 7 // 8:
                    break
                _under_way[warehouse.storage.uri] = what
                make()
    finally:
        _under_way.pop(warehouse.storage.uri, None)


def steps(warehouse: Warehouse) -> Iterator[Step]:
    """Yield what to make, the first model's first, in the order that pages ask for it."""
    known = extents(warehouse)
    last = {of.model: of.checkpoint for of in known}
    for model, checkpoint in last.items():
        chosen = [of for of in known if (of.model, of.checkpoint) == (model, checkpoint)]
        yield from _of_neurons(warehouse, chosen)
        yield from _of_maps(warehouse, chosen)
        yield from _of_pairs(warehouse, chosen[0])
        yield from _of_searches(warehouse, chosen)
        yield from _of_layers(warehouse, chosen)


def _of_neurons(warehouse: Warehouse, chosen: list[Extent]) -> Iterator[Step]:
    for of in chosen:
        yield f"sampled activations of {of.site}", partial(sample, warehouse, of.model, of.checkpoint, of.site)
    of = chosen[0]
    for corpus in of.corpora:
        yield f"metadata of corpus {corpus}", partial(corpus_metadata, warehouse, of.model, of.checkpoint, [corpus])
        for unit in partitions(warehouse, "annotations", {"corpus": corpus}):
            place = {"model": of.model, "checkpoint": of.checkpoint, "annotator": unit["annotator"], "corpus": corpus}
            for what, kind in (("words", words.WORDS), ("tags", words.TAGS)):
                yield f"{what} of corpus {corpus}", partial(words.counted, warehouse, kind, place)


def _of_maps(warehouse: Warehouse, chosen: list[Extent]) -> Iterator[Step]:
    places = [(of.model, of.checkpoint, of.site) for of in chosen]
    for of in across_queries.maps(warehouse):
        place = (of.model, of.checkpoint, of.site)
        for layer in of.layers if place in places else ():
            make = partial(
                across_queries.cluster_profile, warehouse, *place, of.scope, layer, 0, across_queries.PROFILE_ROWS
            )
            yield f"patterns of {of.site} layer {layer}", make


def _of_pairs(warehouse: Warehouse, chosen: Extent) -> Iterator[Step]:
    for pair in pair_queries.pairs(warehouse):
        if (pair.model_before, pair.checkpoint_before) == (chosen.model, chosen.checkpoint):
            for corpus in dict.fromkeys(row[0] for row in pair_queries.distances(warehouse, pair).rows):
                make = partial(pair_queries.moved_neurons, warehouse, pair, corpus, "", pair_queries.MOVED_ROWS)
                yield f"neurons that moved over corpus {corpus}", make


def _of_searches(warehouse: Warehouse, chosen: list[Extent]) -> Iterator[Step]:
    for of in chosen:
        place = {"model": of.model, "checkpoint": of.checkpoint, "site": of.site}
        yield f"metadata of {of.site} neurons", partial(class_neurons, warehouse, place)
        for name in CLASSES:
            yield f"{name} neurons of {of.site}", partial(neuron_classes, warehouse, name, place)


def _of_layers(warehouse: Warehouse, chosen: list[Extent]) -> Iterator[Step]:
    for corpus in dict.fromkeys(corpus for of in chosen for corpus in of.corpora):
        yield f"word classes of corpus {corpus}", partial(words_of_classes, warehouse, corpus)
        for of in chosen:
            unit = {"model": of.model, "checkpoint": of.checkpoint, "site": of.site, "corpus": corpus}
            yield f"top sentences of {of.site} neurons in corpus {corpus}", partial(top_sentences, warehouse, unit)
