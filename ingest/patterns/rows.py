"""Mining of one kind of pattern over a scope, and rows of neuron_patterns from what was mined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nwh.ingest import statistics
from nwh.ingest.patterns.mining.encoding import encode
from nwh.ingest.patterns.mining.forest import encode_trees
from nwh.ingest.patterns.mining.patterns import Corpus, Mined, Rules, Supports, count, find, mine, rank_sums
from nwh.ingest.patterns.mining.supports import minimum_count
from nwh.ingest.sample import Sample

_ROWS = 1_000_000  # of neuron_patterns built, and sorted by pattern, at a time

COLUMNS = {"word": ("words",), "tag": ("words", "tags"), "tree": ("tree",)}  # of annotations, by kind


class Miner:
    """Mines one kind of pattern over the S sentences of a scope, encoded once.

    `texts` has the columns of COLUMNS, a row per sentence; `sentence_ids` (S,), ascending, decide which
    half each is in.
    """

    def __init__(
        self, kind: str, pole: str, sentence_ids: NDArray[np.int64], texts: pa.Table, rules: Rules, threads: int
    ) -> None:
        self.kind = kind
        self.pole = pole
        self.sentence_ids = sentence_ids
        self.rules = rules
        self.threads = threads
        self.first_half = statistics.first_half(sentence_ids)
        self.corpus: Corpus
        if kind == "tree":
            self.corpus = encode_trees(texts["tree"].to_pylist())
        else:
            self.corpus = encode(texts["tags" if kind == "tag" else "words"], texts["words"])

    def rows(
        self, layer: int, neurons: NDArray[np.int64], sets: Sequence[NDArray[np.int64]], sample: Sample
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows of neuron_patterns for some neurons of a layer: at least one batch, sorted by neuron.

        sample: the layer's. Patterns are a dictionary of lists, the same in all batches: see `by_text`.
        """
        mined = mine(self.corpus, sets, self.rules, self.first_half, self.threads)
        supports = count(self.corpus, mined.patterns, self.rules, self.first_half, self.threads)
        detects = self._detectors(neurons, mined, sample)
        patterns = self.corpus.texts(mined.patterns)
        sizes = np.array([(len(members), self.first_half[members].sum()) for members in sets], np.int64).T
        for part in _parts(np.searchsorted(mined.set_index, np.arange(len(sets) + 1))):
            batch = self._batch(layer, neurons, mined, supports, patterns, sizes, part)
            for name, values in detects.items():
                batch = batch.append_column(name, values.slice(part.start, part.stop - part.start))
            yield batch

    def _detectors(self, neurons: NDArray[np.int64], mined: Mined, sample: Sample) -> dict[str, pa.Array]:
        """Return how well each neuron detects each of its patterns over the sample: columns, a row per row of mined."""
        area, n = np.full(len(mined.pattern), np.nan), len(sample.ids)
        n_with = np.zeros(len(area), np.int64)
        if n and len(area):
            places = np.searchsorted(self.sentence_ids, sample.ids)
            found = find(self.corpus, mined.patterns, self.rules, places, self.threads)
            n_with = np.diff(found.bounds)[mined.pattern]
            ranks = sample.ranks[neurons]
            total = rank_sums(ranks, mined.set_index, mined.pattern, found.bounds, found.places)
            area = statistics.auroc(total, n_with, n)
        return {
            "auroc": pa.array(area if self.pole == "top" else 1 - area, pa.float32(), mask=np.isnan(area)),
            "sample_support": pa.array(n_with.astype(np.int32)),
            "n_sampled": pa.array(np.full(len(area), n, np.int32)),
        }

    def _batch(
        self,
        layer: int,
        neurons: NDArray[np.int64],
        mined: Mined,
        supports: Supports,
        patterns: pa.ListArray,
        sizes: NDArray[np.int64],
        rows: slice,
    ) -> pa.RecordBatch:
        """Return some rows; sizes: of each set and of its part in the first half, [2, sets]."""
        name, pattern = mined.set_index[rows], mined.pattern[rows]
        n, n_first = len(self.first_half), int(self.first_half.sum())
        # support, k, corpus support, n: of all sentences, and of those in the first half
        table: tuple[Any, ...] = (mined.support[rows].astype(np.int64), sizes[0, name], supports.support[pattern], n)
        first: tuple[Any, ...] = (
            mined.support_first[rows].astype(np.int64),
            sizes[1, name],
            supports.support_first[pattern],
            n_first,
        )
        held_out = [whole - half for whole, half in zip(table, first, strict=True)]
        g2 = statistics.g2(*table)
        p = statistics.p_value(g2, *table)
        frequent = table[0] >= self._least(sizes[0])[name]
        chosen = first[0] >= self._least(sizes[1])[name]
        halved = [np.broadcast_to(counts, chosen.shape)[chosen] for counts in first]
        mined_g2 = statistics.g2(*halved)
        mined_p = statistics.p_value(mined_g2, *halved)
        auroc = statistics.heldout_auroc(*held_out)
        columns: dict[str, Any] = {
            "layer": np.full(len(name), layer, np.int16),
            "neuron": neurons[name].astype(np.int32),
            "pattern": pa.DictionaryArray.from_arrays(pa.array(pattern, pa.int32()), patterns),
            "length": mined.patterns.length[pattern].astype(np.int16),
            "support": table[0].astype(np.int32),
            "k": table[1].astype(np.int32),
            "corpus_support": table[2].astype(np.int64),
            "n_sentences": np.full(len(name), n, np.int64),
            "lift": statistics.lift(*table),
            "g2": g2,
            "p_value": p,
            "q_value": _only(frequent, statistics.benjamini_hochberg(p[frequent], name[frequent])),
            "mined_support": first[0].astype(np.int32),
            "mined_k": first[1].astype(np.int32),
            "mined_lift": _only(chosen, statistics.lift(*halved)).cast(pa.float32()),
            "mined_g2": _only(chosen, mined_g2).cast(pa.float32()),
            "mined_q_value": _only(chosen, statistics.benjamini_hochberg(mined_p, name[chosen])).cast(pa.float32()),
            "heldout_auroc": pa.array(auroc, pa.float64(), mask=~chosen | np.isnan(auroc)),
        }
        return pa.RecordBatch.from_pydict(columns)

    def _least(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the smallest frequent support in sets of these sizes; more than there are in one of none."""
        return np.array([minimum_count(self.rules.min_support, int(size)) if size else 1 for size in sizes], np.int64)


def _only(rows: NDArray[np.bool_], values: NDArray[np.float64]) -> pa.Array:
    """Return the values of some rows, with null in all others."""
    of_all = np.zeros(len(rows))
    of_all[rows] = values
    return pa.array(of_all, pa.float64(), mask=~rows)


def by_text(batch: pa.RecordBatch) -> pa.Table:
    """Return rows with their patterns written out, as lists and as texts, sorted by text; of one text as they were."""
    coded = batch.column("pattern")
    used, place = np.unique(coded.indices.to_numpy(), return_inverse=True)
    patterns = coded.dictionary.take(pa.array(used))
    texts = pc.binary_join(patterns, " ")
    rank = np.empty(len(used), np.int32)
    rank[pc.sort_indices(texts).to_numpy()] = np.arange(len(used), dtype=np.int32)
    order = np.argsort(rank[place], kind="stable")
    sorted_place = pa.array(place[order])
    table = pa.Table.from_batches([batch]).drop_columns("pattern").take(pa.array(order))
    return table.append_column("pattern", patterns.take(sorted_place)).append_column(
        "pattern_text", texts.take(sorted_place)
    )


def blocks(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield rows of a layer that are written out already in blocks of neurons, each sorted by text, then neuron."""
    rows = rows.sort_by("neuron")
    _, starts = np.unique(rows["neuron"].to_numpy(), return_index=True)
    for part in _parts(np.append(starts, rows.num_rows)):
        block = rows.slice(part.start, part.stop - part.start)
        yield block.sort_by([("pattern_text", "ascending"), ("neuron", "ascending")])


def _parts(bounds: NDArray[np.int64]) -> Iterator[slice]:
    """Yield the rows of as many neurons as _ROWS leaves room for, one at least; bounds: of each neuron's rows."""
    first = 0
    for last in range(1, len(bounds)):
        if last + 1 == len(bounds) or bounds[last + 1] - bounds[first] > _ROWS:
            yield slice(int(bounds[first]), int(bounds[last]))
            first = last
