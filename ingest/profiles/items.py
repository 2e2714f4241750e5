"""What sentences have, as numbers: words by class, values of metadata keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.profiles.top import places_of
from nwh.warehouse import Warehouse
from nwh.warehouse.schema.profiles import COMMON_VALUES
from nwh.warehouse.storage.runs import Unit


@dataclass(frozen=True)
class Items:
    """The I items of a corpus and which of its S sentences that counted have them, each once.

    names: columns that tell items apart, [I], in their order. family: number of the family that each is tested in, [I].
    always: whether it is stored however few sentences have it, [I]. corpus_support: sentences with it, [I]. Those of
    sentence s are `items[starts[s]:starts[s + 1]]`.
    """

    names: pa.Table
    family: NDArray[np.int32]
    always: NDArray[np.bool_]
    corpus_support: NDArray[np.int64]
    starts: NDArray[np.int64]
    items: NDArray[np.int32]

    def sample_support(self, sampled: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return how many of some sentences, given by their places, have each item, [I]."""
        of_each = [self.items[self.starts[place] : self.starts[place + 1]] for place in sampled.tolist()]
        there = np.concatenate(of_each or [np.zeros(0, np.int32)])
        return np.bincount(there, minlength=len(self.family)).astype(np.int32)

    def vocabulary(self, n_sentences: int) -> dict[str, Any]:
        """Return the rows of corpus_vocabulary of words: those that any of the n sentences that counted has."""
        there = np.flatnonzero(self.corpus_support)
        n_tested = np.bincount(self.family[there])
        return {
            **{name: self.names[name].take(pa.array(there)) for name in self.names.column_names},
            "corpus_support": self.corpus_support[there],
            "n_sentences": np.full(len(there), n_sentences),
            "n_tested": n_tested[self.family[there]],
        }


def word_items(warehouse: Warehouse, unit: Unit, ids: NDArray[np.int64]) -> Items:
    """Return the words of a corpus, by class, as an annotator found them."""
    of_corpus = {name: unit[name] for name in ("corpus", "annotator")}
    items = _items(warehouse, "sentence_words", of_corpus, ("word", "class"), ids)
    family = items.names["class"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int32)
    return Items(items.names, family, items.always, items.corpus_support, items.starts, items.items)


def metadata_items(warehouse: Warehouse, unit: Unit, ids: NDArray[np.int64]) -> Items:
    """Return the metadata values of a corpus; all are one family, and the commonest of each key are always stored."""
    items = _items(warehouse, "sentence_metadata", {"corpus": unit["corpus"]}, ("key", "value"), ids)
    keys = items.names["key"].to_pylist()
    places: dict[str, list[int]] = {}
    for i in np.argsort(-items.corpus_support, kind="stable").tolist():
        places.setdefault(keys[i], []).append(i)
    for of_key in places.values():
        items.always[of_key[:COMMON_VALUES]] = True
    items.always[items.corpus_support == 0] = False  # values of sentences that did not count alone: nothing to test
    return items


def _items(
    warehouse: Warehouse, relation: str, of_corpus: dict[str, str], names: Sequence[str], ids: NDArray[np.int64]
) -> Items:
    where, key = " and ".join(f"{name} = ${name}" for name in of_corpus), ", ".join(names)
    with warehouse.cursor() as cursor:
        listed = cursor.sql(
            f"select {key} from (select distinct {key} from {relation} where {where}) order by all", params=of_corpus
        ).to_arrow_table()
        cursor.register("coded", listed.append_column("item", pa.array(np.arange(listed.num_rows, dtype=np.int32))))
        found = cursor.sql(
            f"select sentence_id, item from {relation} inner join coded using ({key}) where {where}", params=of_corpus
        ).fetchnumpy()
    (sentence, counted), items = places_of(ids, found["sentence_id"]), found["item"]
    order = np.argsort(sentence[counted], kind="stable")
    sentence, items = sentence[counted][order], items[counted][order]
    starts = np.searchsorted(sentence, np.arange(len(ids) + 1))
    support = np.bincount(items, minlength=listed.num_rows)
    n = listed.num_rows
    return Items(listed, np.zeros(n, np.int32), np.zeros(n, np.bool_), support, starts.astype(np.int64), items)
