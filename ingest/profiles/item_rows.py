"""Which items a neuron's sentences have more often than the corpus, and how well it detects each of these.

Rows of neuron_words and neuron_metadata.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest import statistics
from nwh.ingest.profiles import kernels
from nwh.ingest.profiles.items import Items
from nwh.ingest.profiles.top import Sentences, TopSentences
from nwh.ingest.sample import Sample
from nwh.warehouse.schema.profiles import STORED_SHARE

_REMEMBERED_BYTES = 1 << 26  # for each thread


def item_rows(
    top: TopSentences, items: Items, sentences: Sentences, sample: Sample, *, with_shares: bool = False
) -> pa.Table:
    """Return the rows of a block of poles whose sentences do not all tie, sorted by item, then support.

    sample: of the block's layer.
    """
    n_sentences = len(sentences.ids)
    sampled, ranks = np.searchsorted(sentences.ids, sample.ids), sample.ranks  # made here, for all threads
    live = np.flatnonzero(top.differ)
    n_threads = os.cpu_count() or 1
    parts = [part for part in np.array_split(live, n_threads) if len(part)]
    with ThreadPoolExecutor(n_threads) as pool:
        tested = list(pool.map(lambda part: _tested(top, part, items, sentences, sampled, ranks), parts))
    columns_of = [np.concatenate([of_part[i] for of_part in tested] or [np.zeros(0, np.int64)]) for i in range(9)]
    pole, item, support = columns_of[:3]
    # One item's neurons side by side, so that a search for it reads little; equal supports too, and what follows from
    # a support repeats: files are a third smaller than sorted by neuron.
    order = np.lexsort((pole, -support, item))
    pole, item, support, documents, g2, p, q, n_tested, rank_sum = (column[order] for column in columns_of)
    k, whole, sample_support = top.k[pole], items.corpus_support[item], items.sample_support(sampled)[item]
    auroc = statistics.auroc(rank_sum, sample_support, len(sampled))
    auroc = np.where(top.pole[pole], auroc, 1 - auroc)
    columns: dict[str, Any] = {
        **top.names(pole),
        **{name: items.names[name].take(pa.array(item)) for name in items.names.column_names},
        "support": support.astype(np.int32),
        "documents": documents.astype(np.int32),
        "k": k.astype(np.int32),
        "corpus_support": whole.astype(np.int32),
        "n_sentences": np.full(len(k), n_sentences, np.int32),
        "lift": (support / k) / (whole / n_sentences),
        "g2": g2,
        "p_value": p,
        "q_value": q,
        "n_tested": n_tested.astype(np.int32),
        "auroc": pa.array(auroc, pa.float32(), mask=np.isnan(auroc)),
        "sample_support": sample_support,
        "n_sampled": np.full(len(k), len(sampled), np.int32),
    }
    if with_shares:
        columns |= {"share": support / k, "corpus_share": whole / n_sentences}
        columns |= {"place": _places(pole, items.names["key"].take(pa.array(item)), support, item)}
    return pa.table(columns)


def _places(pole: NDArray[Any], keys: pa.ChunkedArray, support: NDArray[Any], item: NDArray[Any]) -> NDArray[np.int32]:
    """Return each value's place among those of its key and pole, from 1, by support; ties: in the order of items."""
    key = keys.combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.lexsort((item, -support, key, pole))
    same = (np.diff(key[order]) == 0) & (np.diff(pole[order]) == 0)
    first = np.flatnonzero(np.append([True], ~same)) if len(order) else np.zeros(0, np.int64)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order)))) + 1
    return place


def _tested(
    top: TopSentences,
    poles: NDArray[np.int64],
    items: Items,
    sentences: Sentences,
    sampled: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[NDArray[Any], ...]:
    n_items = len(items.family)
    n_sentences = len(sentences.ids)
    n_tested = np.bincount(items.family[items.corpus_support > 0]).astype(np.int64)
    rows = min(int(items.corpus_support.max(initial=0)) + 1, _REMEMBERED_BYTES // (20 * kernels.REMEMBERED))
    seen, slots = np.tile([0, 0, -1], (n_items, 1)), np.full((rows, kernels.REMEMBERED), -1, np.int32)
    tests, of_k = np.full((rows, kernels.REMEMBERED, 2), np.nan), -1
    found: list[tuple[NDArray[Any], ...]] = []
    sums, of_neuron = np.zeros(n_items), -1
    for pole in poles.tolist():
        members = top.members[top.bounds[pole] : top.bounds[pole + 1]]
        if len(members) != of_k:  # all poles have as many sentences, or nearly
            tests[:], of_k = np.nan, len(members)
        rows_of_pole = kernels.tested_items(
            members,
            items.starts,
            items.items,
            items.family,
            n_tested,
            items.corpus_support,
            n_sentences,
            items.always,
            max(2, int(np.ceil(STORED_SHARE * len(members) - 1e-9))),
            sentences.document,
            seen,
            tests,
            slots,
        )
        if len(sampled) and top.neuron[pole] != of_neuron:
            of_neuron = top.neuron[pole]
            sums = kernels.rank_sums(ranks[of_neuron], sampled, items.starts, items.items, n_items)
        item = rows_of_pole[0]
        found.append((np.full(len(item), pole), *rows_of_pole, sums[item]))
    return tuple(np.concatenate(columns) for columns in zip(*found, strict=True))
