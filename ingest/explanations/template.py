"""The baseline: words, patterns and metadata that tell a neuron's top sentences, put into a sentence. No model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from nwh.ingest import statistics
from nwh.ingest.explanations.halves import POLE, Halves, Shown
from nwh.warehouse import Warehouse
from nwh.warehouse.queries.answers import OF_SITE

_WORDS, _VALUES = 3, 1
_MAX_Q = 0.05


class Template:
    """Says what tells the first half of a neuron's top sentences from the others of that half.

    The three words and the metadata value of highest G2 with a lift above 1 and a q-value of at most 0.05 (Benjamini-
    Hochberg per neuron), and of each kind of patterns, where they were mined, the best one of several items.
    """

    name = method = "template"
    prompt: str | None = None

    def __init__(self, warehouse: Warehouse, halves: Halves) -> None:
        self._warehouse = warehouse
        self._halves = halves

    @cached_property
    def about(self) -> dict[str, Any]:
        """What decides its explanations beside the top sentences: the runs that mined patterns."""
        found = (
            self._warehouse.units.stored("patterns", {**self._halves.ground.unit, "kind": kind, "pole": POLE})
            for kind in ("word", "tag", "tree")
        )
        return {"from": "template", "patterns": [run.run_id for run in found if run]}

    def explain(self, shown: Sequence[Shown]) -> list[str]:
        """Return a sentence for each neuron; all of one layer."""
        first = self._halves.first
        place = np.cumsum(first) - 1  # of each sentence among those of the first half
        members = [place[one.members[first[one.members]]] for one in shown]
        inside = _rows(members, int(first.sum()))
        words, texts = self._words
        said = _best(inside, words, texts, _WORDS)
        values = _best(inside, *self._metadata, _VALUES)
        patterns = self._patterns(shown)
        return [_sentence(said[i], values[i], patterns.get(one.neuron, {})) for i, one in enumerate(shown)]

    @cached_property
    def _words(self) -> tuple[Any, list[str]]:
        """Which words each sentence of the first half has, [sentences, words], and the words."""
        from sklearn.feature_extraction.text import CountVectorizer

        texts = [text for text, first in zip(self._halves.all_texts, self._halves.first, strict=True) if first]
        counter = CountVectorizer(binary=True, dtype=np.int64)
        return counter.fit_transform(texts), list(counter.get_feature_names_out())

    @cached_property
    def _metadata(self) -> tuple[Any, list[str]]:
        """Which metadata values each sentence of the first half has, [sentences, values], and `key = value`."""
        ids = self._halves.ids[self._halves.first]
        rows = self._warehouse.sql(
            "select sentence_id, key || ' = ' || value as pair from sentence_metadata "
            "where list_contains($corpora, corpus)",
            {"corpora": self._halves.ground.corpora},
        ).fetchnumpy()
        kept = np.isin(rows["sentence_id"], ids)
        pairs, code = np.unique(rows["pair"][kept].astype(str), return_inverse=True)
        where = np.searchsorted(ids, rows["sentence_id"][kept])
        ones = np.ones(len(where), np.int64)
        return sparse.csr_matrix((ones, (where, code)), shape=(len(ids), len(pairs))), pairs.tolist()

    def _patterns(self, shown: Sequence[Shown]) -> dict[int, dict[str, str]]:
        """Return neuron -> kind -> the items of its best pattern of several; mined on the same half."""
        found = self._warehouse.sql(
            "select neuron, kind, if(kind = 'tree', pattern_text, array_to_string(pattern, ' … ')) from mined_patterns "
            f"where {OF_SITE} and scope = $scope and pole = 'top' "
            "and layer = $layer and list_contains($neurons, neuron) and length > 1 and mined_lift > 1 "
            "and mined_q_value <= $q qualify row_number() over (partition by neuron, kind "
            "order by mined_g2 desc, pattern_text) = 1",
            {
                **self._halves.ground.unit,
                "layer": shown[0].layer,
                "neurons": [one.neuron for one in shown],
                "q": _MAX_Q,
            },
        ).fetchall()
        patterns: dict[int, dict[str, str]] = {}
        for neuron, kind, items in found:
            patterns.setdefault(neuron, {})[kind] = items
        return patterns


def _rows(members: Sequence[Any], n: int) -> Any:
    """Return sets as a matrix of ones, [sets, n]."""
    bounds = np.cumsum([0, *map(len, members)])
    places = np.concatenate(members)
    return sparse.csr_matrix((np.ones(len(places), np.int64), places, bounds), shape=(len(members), n))


def _best(inside: Any, having: Any, names: Sequence[str], most: int) -> list[list[str]]:
    """Return for each set the names that tell it most, at most `most`.

    inside: which sentences each set has, [sets, sentences]. having: which names each sentence has, [sentences, names].
    """
    found: list[list[str]] = [[] for _ in range(inside.shape[0])]
    support = (inside @ having).tocoo()
    if not support.nnz:
        return found
    k = np.asarray(inside.sum(axis=1)).ravel()[support.row]
    everywhere = np.asarray(having.sum(axis=0)).ravel()[support.col]
    table = (support.data, k, everywhere, having.shape[0])
    g2, lift = statistics.g2(*table), statistics.lift(*table)
    q = statistics.benjamini_hochberg(statistics.p_value(g2, *table), support.row)
    told = np.flatnonzero((lift > 1) & (q <= _MAX_Q) & (support.data > 1))
    for i in told[np.lexsort((support.col[told], -g2[told]))]:
        if len(of_set := found[support.row[i]]) < most:
            of_set.append(names[support.col[i]])
    return found


def _sentence(words: Sequence[str], values: Sequence[str], patterns: dict[str, str]) -> str:
    quoted = [f'"{word}"' for word in words]
    parts = [f"with {' or '.join([', '.join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)}"] if quoted else []
    parts += [f"of {value}" for value in values]
    parts += [f'with "{patterns["word"]}"'] if "word" in patterns else []
    parts += [f"with the tags {patterns['tag']}"] if "tag" in patterns else []
    parts += [f"with the subtree {patterns['tree']}"] if "tree" in patterns else []
    if not parts:
        return "No word, pattern or metadata value tells its sentences from others."
    return f"Sentences {'; '.join(parts)}."
