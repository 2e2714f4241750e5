"""k-means and t-SNE, the same for the same rows and seed whatever the machine is busy with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE

STARTS = 10
PERPLEXITY = 30.0

Vectors = NDArray[np.float32]


def k_means(
    vectors: Vectors, k: int, seed: int, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], float]:
    """Cluster [n, d] vectors; return each one's cluster (arbitrary numbers from 0) and the SSE.

    Lloyd's algorithm until no assignment changes, from the best of 10 k-means++ starts (Arthur and Vassilvitskii
    2007). weights: how often each vector counts; once if null. SSE: sum of squared distances to the cluster's mean.
    Equal vectors are clustered as one of their summed weight, which leaves the SSE as it is. With k or fewer distinct
    vectors, each is a cluster and the SSE is 0.
    """
    counted = np.ones(len(vectors)) if weights is None else weights
    distinct, place = _distinct(vectors)
    mass = np.bincount(place, counted, len(distinct))
    if k >= len(distinct):
        return place, 0.0
    fit = KMeans(k, init="k-means++", n_init=STARTS, tol=0, random_state=seed).fit(distinct, sample_weight=mass)
    labels = fit.labels_.astype(np.int64)
    sse = 0.0  # not fit.inertia_, which is summed in float32
    for cluster in np.unique(labels):
        members, weight = distinct[labels == cluster].astype(np.float64), mass[labels == cluster]
        centre = np.average(members, axis=0, weights=weight)
        sse += float(weight @ ((members - centre) ** 2).sum(axis=1))
    return labels[place], sse


def _distinct(vectors: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the distinct rows, as they first come, and each row's place among them."""
    positive_zeros = np.ascontiguousarray(vectors + np.float32(0))  # -0.0 is 0.0, but has other bytes
    rows = positive_zeros.view(np.dtype((np.void, positive_zeros.itemsize * positive_zeros.shape[1]))).ravel()
    _, first, place = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    return positive_zeros[first[order]], number[place.reshape(-1)]


def by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number clusters anew from 0, the largest first; of two of one size the one whose first member comes first."""
    _, first, place, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[place.reshape(-1)]


def tsne(vectors: Vectors, seed: int) -> NDArray[np.float32]:
    """Return [n, 2]: a t-SNE of [n, d] vectors (van der Maaten and Hinton 2008), from their principal components.

    The perplexity is 30, less where there are fewer than 91 vectors. Where all vectors are equal, so are all points.
    """
    if (vectors == vectors[:1]).all():  # what scikit-learn makes of these ends the process
        return np.zeros((len(vectors), 2), np.float32)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    return np.asarray(made, np.float32)
