"""Rows of neuron_topk, neuron_stats and activation_sample from a layer's summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from nwh.ingest.activations.summaries.histogram import LEVELS
from nwh.ingest.activations.summaries.layer import LayerSummary

T = TypeVar("T")
ROWS = 2_000_000  # built at a time
_THREAD = ThreadPoolExecutor(max_workers=1)  # numpy and the compiled loops hold no lock: both poles at once


def topk_rows(layer: int, summary: LayerSummary, first_id: int) -> Iterator[dict[str, Any]]:
    """Yield a layer's rows of neuron_topk, sorted by neuron, pole, rank; some neurons' at a time."""
    n_neurons = len(summary.top.keys)
    step = max(1, ROWS // (2 * summary.top.k))
    for first in range(0, n_neurons, step):
        part = summary.part(slice(first, first + step))
        bottom = _THREAD.submit(part.bottom.result)
        poles = (part.top.result(), bottom.result())[::-1]
        n, k = poles[0][0].shape
        size = n * 2 * k

        def joined(which: int, poles: tuple[Any, ...] = poles) -> np.ndarray:
            """Return [neurons, poles, k] flattened."""
            return np.stack([pole[which].numpy() for pole in poles], axis=1).ravel()

        neuron, pole, rank = _same_in_all(n, k)
        yield {
            "layer": np.full(size, layer, np.int16),
            "neuron": neuron + np.int32(first),
            "pole": pole,
            "rank": rank,
            "sentence_id": joined(1) + first_id,
            "activation": joined(0),
            "token_position": (
                pa.nulls(size, pa.int32()) if part.top.positions is None else joined(2).astype(np.int32)
            ),
        }


@lru_cache(maxsize=2)
def _same_in_all(n: int, k: int) -> tuple[np.ndarray, pa.DictionaryArray, np.ndarray]:
    """Return the columns neuron (from 0), pole and rank of `n` neurons, k rows for each pole."""
    pole = np.tile(np.repeat(np.arange(2, dtype=np.int8), k), n)
    return (
        np.repeat(np.arange(n, dtype=np.int32), 2 * k),
        pa.DictionaryArray.from_arrays(pa.array(pole), ["bottom", "top"]),
        np.tile(np.arange(1, k + 1, dtype=np.int32), 2 * n),
    )


def stats_rows(layer: int, summary: LayerSummary) -> dict[str, Any]:
    """Return a layer's rows of neuron_stats."""
    moments, histogram = summary.all_moments(), summary.histogram
    edges, counts = histogram.bins()
    n_neurons = len(edges)
    return {
        "layer": np.full(n_neurons, layer, np.int16),
        "neuron": np.arange(n_neurons, dtype=np.int32),
        "n": np.full(n_neurons, moments.n),
        "mean": moments.mean.cpu().numpy(),
        "std": moments.std.cpu().numpy(),
        "min": moments.min.cpu().numpy(),
        "max": moments.max.cpu().numpy(),
        "max_token": summary.max_token.cpu().numpy(),
        "skewness": moments.skewness.cpu().numpy(),
        "kurtosis": moments.kurtosis.cpu().numpy(),
        "share_positive": moments.positive.cpu().numpy() / moments.n,
        "histogram_edges": lists(edges.cpu().numpy()),
        "histogram_counts": lists(counts.cpu().numpy()),
        "quantile_levels": lists(np.tile(np.array(LEVELS, np.float32), (n_neurons, 1))),
        "quantiles": lists(histogram.quantiles().cpu().numpy()),
        "resolution": histogram.resolution.cpu().numpy(),
    }


def sample_rows(layer: int, summary: LayerSummary, first_id: int) -> dict[str, Any]:
    """Return a layer's rows of activation_sample, sorted by sentence; without those the model left out."""
    seen = summary.seen
    return {
        "sentence_id": summary.sample[seen].numpy() + first_id,
        "layer": np.full(int(seen.sum()), layer, np.int16),
        "activations": lists(summary.sampled[seen.to(summary.sampled.device)].cpu().numpy()),
    }


def lists(matrix: np.ndarray) -> pa.ListArray:
    """Return the rows of a matrix as an Arrow list array."""
    rows, columns = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * columns
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel()))


def prefetched(rows: Iterable[T]) -> Iterator[T]:
    """Yield what `rows` yields, the next item being made in a thread while the last one is written."""
    iterator = iter(rows)
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield item
