"""Mining of one kind of pattern over a scope, and rows of neuron_patterns from what was mined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nwh.ingest import statistics
from nwh.ingest.patterns.mining.encoding import EncodedSentences, encode
from nwh.ingest.patterns.mining.forest import Forest, encode_trees
from nwh.ingest.patterns.mining.patterns import Mined, Supports, minimum_count, rank_sums
from nwh.ingest.patterns.mining.sequences import count_sequences, find_sequences, mine_sequences
from nwh.ingest.patterns.mining.subtrees import bracketed, count_subtrees, find_subtrees, mine_subtrees
from nwh.ingest.sample import Sample

_ROWS = 1_000_000  # of neuron_patterns built, and sorted by pattern, at a time

COLUMNS = {"word": ("words",), "tag": ("words", "tags"), "tree": ("tree",)}  # of annotations, by kind


@dataclass(frozen=True)
class Rules:
    """What counts as a frequent pattern: see `nwh ingest patterns --help`."""

    min_support: float = 0.01
    max_length: int = 3
    max_gap: int | None = None


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
        self.corpus: EncodedSentences | Forest
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
        mined, supports = self._mine(sets)
        detects = self._detectors(neurons, mined, sample)
        patterns = self._texts(mined)
        sizes = np.array([len(members) for members in sets], np.int64)
        sizes_first = np.array([int(self.first_half[members].sum()) for members in sets], np.int64)
        bounds = np.searchsorted(mined.set_index, np.arange(len(sets) + 1))
        start = 0
        while start < len(sets):
            stop = start + 1
            while stop < len(sets) and bounds[stop + 1] - bounds[start] <= _ROWS:
                stop += 1
            batch = self._batch(
                layer, neurons, mined, supports, patterns, sizes, sizes_first, bounds[start], bounds[stop]
            )
            for name, values in detects.items():
                batch = batch.append_column(name, values.slice(bounds[start], bounds[stop] - bounds[start]))
            yield batch
            start = stop

    def _mine(self, sets: Sequence[NDArray[np.int64]]) -> tuple[Mined, Supports]:
        rules, halves, threads = self.rules, self.first_half, self.threads
        if isinstance(self.corpus, Forest):
            mined = mine_subtrees(
                self.corpus,
                sets,
                min_support=rules.min_support,
                max_size=rules.max_length,
                first_half=halves,
                threads=threads,
            )
            return mined, count_subtrees(self.corpus, mined.patterns, first_half=halves, threads=threads)
        mined = mine_sequences(
            self.corpus,
            sets,
            min_support=rules.min_support,
            max_length=rules.max_length,
            max_gap=rules.max_gap,
            first_half=halves,
            threads=threads,
        )
        counted = count_sequences(
            self.corpus, mined.patterns, max_gap=rules.max_gap, first_half=halves, threads=threads
        )
        return mined, counted

    def _detectors(self, neurons: NDArray[np.int64], mined: Mined, sample: Sample) -> dict[str, pa.Array]:
        """Return how well each neuron detects each of its patterns over the sample: columns, a row per row of mined."""
        area, n = np.full(len(mined.pattern), np.nan), len(sample.ids)
        n_with = np.zeros(len(area), np.int64)
        if n and len(area):
            places = np.searchsorted(self.sentence_ids, sample.ids)
            if isinstance(self.corpus, Forest):
                found = find_subtrees(self.corpus, mined.patterns, places, threads=self.threads)
            else:
                gap = self.rules.max_gap
                found = find_sequences(self.corpus, mined.patterns, places, max_gap=gap, threads=self.threads)
            n_with = np.diff(found.bounds)[mined.pattern]
            ranks = sample.ranks[neurons]
            total = rank_sums(ranks, mined.set_index, mined.pattern, found.bounds, found.places)
            area = statistics.auroc(total, n_with, n)
        return {
            "auroc": pa.array(area if self.pole == "top" else 1 - area, pa.float32(), mask=np.isnan(area)),
            "sample_support": pa.array(n_with.astype(np.int32)),
            "n_sampled": pa.array(np.full(len(area), n, np.int32)),
        }

    def _texts(self, mined: Mined) -> pa.ListArray:
        """Return the distinct patterns as lists of text; a subtree is one bracketed text."""
        codes = mined.patterns.matrix()
        if isinstance(self.corpus, Forest):
            labels = self.corpus.labels
            return pa.array([[bracketed(row, labels)] for row in codes], pa.list_(pa.string()))
        offsets = np.concatenate([[0], np.cumsum(mined.patterns.length, dtype=np.int64)]).astype(np.int32)
        values = pa.array(self.corpus.items, pa.string()).take(pa.array(codes[codes >= 0]))
        return pa.ListArray.from_arrays(offsets, values)

    def _batch(
        self,
        layer: int,
        neurons: NDArray[np.int64],
        mined: Mined,
        supports: Supports,
        patterns: pa.ListArray,
        sizes: NDArray[np.int64],
        sizes_first: NDArray[np.int64],
        start: int,
        stop: int,
    ) -> pa.RecordBatch:
        rows = slice(start, stop)
        name, pattern = mined.set_index[rows], mined.pattern[rows]
        n, n_first = len(self.first_half), int(self.first_half.sum())
        # support, k, corpus support, n: of all sentences, and of those in the first half
        table: tuple[Any, ...] = (mined.support[rows].astype(np.int64), sizes[name], supports.support[pattern], n)
        first: tuple[Any, ...] = (
            mined.support_first[rows].astype(np.int64),
            sizes_first[name],
            supports.support_first[pattern],
            n_first,
        )
        held_out = [whole - half for whole, half in zip(table, first, strict=True)]
        g2 = statistics.g2(*table)
        p = statistics.p_value(g2, *table)
        frequent = table[0] >= self._least(sizes)[name]
        chosen = first[0] >= self._least(sizes_first)[name]
        halved = [np.broadcast_to(counts, chosen.shape)[chosen] for counts in first]
        mined_g2 = statistics.g2(*halved)
        mined_p = statistics.p_value(mined_g2, *halved)
        auroc = statistics.heldout_auroc(*held_out)
        columns: dict[str, Any] = {
            "layer": np.full(stop - start, layer, np.int16),
            "neuron": neurons[name].astype(np.int32),
            "pattern": pa.DictionaryArray.from_arrays(pa.array(pattern, pa.int32()), patterns),
            "length": mined.patterns.length[pattern].astype(np.int16),
            "support": table[0].astype(np.int32),
            "k": table[1].astype(np.int32),
            "corpus_support": table[2].astype(np.int64),
            "n_sentences": np.full(stop - start, n, np.int64),
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
    bounds = [*starts.tolist(), rows.num_rows]
    first = 0
    for last in range(1, len(bounds)):
        if last + 1 == len(bounds) or bounds[last + 1] - bounds[first] > _ROWS:
            block = rows.slice(bounds[first], bounds[last] - bounds[first])
            yield block.sort_by([("pattern_text", "ascending"), ("neuron", "ascending")])
            first = last
