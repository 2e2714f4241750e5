"""The top and bottom sentences of a layer's neurons, as places among the sentences that counted for the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.profiles import kernels
from nwh.warehouse import Warehouse
from nwh.warehouse.storage.runs import Unit

_ROWS = 6_000_000  # of neuron_topk read at a time, at most
POLES = ("bottom", "top")


@dataclass(frozen=True)
class TopSentences:
    """Both poles of some neurons of a layer, P in all, sorted by neuron and pole.

    neuron, pole (0: bottom, 1: top), k, differ (false where all sentences tie): [P]. The sentences of pole i are
    `members[bounds[i]:bounds[i + 1]]`, places in the ids of the sentences that counted.
    """

    layer: int
    neuron: NDArray[np.int32]
    pole: NDArray[np.int8]
    differ: NDArray[np.bool_]
    members: NDArray[np.int32]
    bounds: NDArray[np.int64]

    @property
    def k(self) -> NDArray[np.int64]:
        """Sentences of each pole."""
        return np.diff(self.bounds)

    def sums(self, amounts: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the sums over each pole's sentences, [P, F], of what sentences have, [sentences, F]."""
        return kernels.sums(self.members, self.bounds, amounts)

    def names(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Return the columns layer, neuron and pole of rows that belong to some poles."""
        return {
            "layer": np.full(len(rows), self.layer, np.int16),
            "neuron": self.neuron[rows],
            "pole": pa.DictionaryArray.from_arrays(self.pole[rows], pa.array(POLES)),
        }


@dataclass(frozen=True)
class Sentences:
    """The S sentences of a corpus that counted.

    ids, ascending, and document, a number for each document: [S]. lengths: tokens and words, [S, 2].
    """

    ids: NDArray[np.int64]
    document: NDArray[np.int32]
    lengths: NDArray[np.int32]


def counted_sentences(warehouse: Warehouse, unit: Unit) -> Sentences:
    """Return the sentences that counted."""
    found = warehouse.sql(
        "select tokens.sentence_id, tokens.n_tokens, sentences.n_words, "
        "(dense_rank() over (order by sentences.doc_id))::integer as document from sentence_tokens as tokens "
        "inner join sentences on tokens.sentence_id = sentences.sentence_id and tokens.corpus = sentences.corpus "
        "where model = $model and checkpoint = $checkpoint and tokens.corpus = $corpus order by 1",
        {name: unit[name] for name in ("model", "checkpoint", "corpus")},
    ).fetchnumpy()
    lengths = np.stack([found["n_tokens"], found["n_words"]], axis=1).astype(np.int32)
    return Sentences(found["sentence_id"], found["document"].astype(np.int32), lengths)


def places_of(ids: NDArray[np.int64], sentence_ids: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return where sentences stand in the ids of those that counted, ascending, and which of them did: [n] each.

    Ids of a corpus follow each other, so a table of them is small, and takes a tenth of the time of a search.
    """
    place_of = np.full(ids[-1] - ids[0] + 3, -1, np.int32)  # its ends are the places of what lies outside
    place_of[ids - ids[0] + 1] = np.arange(len(ids))
    places = place_of[np.clip(sentence_ids - (ids[0] - 1), 0, len(place_of) - 1)]
    return places, places >= 0


def top_sentences(
    warehouse: Warehouse, unit: Unit, layer: int, n_neurons: int, ids: NDArray[np.int64]
) -> Iterator[TopSentences]:
    """Yield the poles of a layer's neurons, some neurons at a time so that memory is bounded."""
    where = " and ".join(f"{name} = ${name}" for name in unit)
    k = warehouse.sql(
        f"select count(*) from neuron_topk where {where} and layer = $layer and neuron = 0", {**unit, "layer": layer}
    ).fetchall()[0][0]
    step = max(1, _ROWS // max(1, k))
    for first in range(0, n_neurons, step):
        found = warehouse.sql(
            f"select neuron, (pole = 'top')::tinyint as pole, sentence_id, activation from neuron_topk where {where} "
            "and layer = $layer and neuron between $first and $last",
            {**unit, "layer": layer, "first": first, "last": first + step - 1},
        ).to_arrow_table()
        neuron, pole, sentence, activation = (column.to_numpy() for column in found.columns)
        key = neuron.astype(np.int64) * 2 + pole
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key, sentence, activation = key[order], sentence[order], activation[order]
        starts = np.flatnonzero(np.append(len(key) > 0, key[1:] != key[:-1]))
        poles, bounds = key[starts], np.append(starts, len(key)).astype(np.int64)
        differ = np.maximum.reduceat(activation, starts) > np.minimum.reduceat(activation, starts)
        members, _ = places_of(ids, sentence)
        yield TopSentences(layer, (poles // 2).astype(np.int32), (poles % 2).astype(np.int8), differ, members, bounds)
