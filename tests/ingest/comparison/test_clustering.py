"""k-means against every partition there is, and against itself over repeated and weighted rows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from nwh.ingest.comparison.clustering import by_size, k_means, tsne


def sse_of(vectors, labels):
    return sum(((vectors[labels == c] - vectors[labels == c].mean(0)) ** 2).sum() for c in np.unique(labels))


@pytest.fixture
def points():
    """Return 9 points of the plane, two of them equal."""
    found = np.random.default_rng(4).standard_normal((9, 2)).astype(np.float32)
    found[7] = found[2]
    return found


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_sse_is_the_least_of_all_partitions(points, k):
    wanted = min(sse_of(points.astype(float), np.array(labels)) for labels in product(range(k), repeat=9))
    labels, sse = k_means(points, k, seed=0)
    assert sse == pytest.approx(wanted, rel=1e-6)
    assert sse_of(points.astype(float), labels) == pytest.approx(sse, rel=1e-6)
    assert labels[7] == labels[2]


def test_weights_are_repetitions():
    rng = np.random.default_rng(1)
    vectors, weights = rng.standard_normal((60, 5)).astype(np.float32), rng.integers(1, 6, 60)
    repeated = np.repeat(vectors, weights, axis=0)
    for k in (1, 4, 12):
        labels, sse = k_means(vectors, k, 3, weights.astype(float))
        of_repeated, same = k_means(repeated, k, 3)
        assert sse == pytest.approx(same, rel=1e-9)
        assert (np.repeat(labels, weights) == of_repeated).all()
        assert sse_of(repeated.astype(float), of_repeated) == pytest.approx(sse, rel=1e-9)


def test_more_clusters_than_distinct_vectors():
    vectors = np.array([[1, 0.0], [2, 5], [1, -0.0], [2, 5]], np.float32)
    for k in (2, 3, 4):
        labels, sse = k_means(vectors, k, 0)
        assert sse == 0
        assert labels[0] == labels[2] != labels[1] == labels[3]


def test_numbers_by_size():
    assert by_size(np.array([5, 9, 9, 1, 1, 9, 0])).tolist() == [2, 0, 0, 1, 1, 0, 3]


def test_equal_vectors_are_one_point():
    assert (tsne(np.full((24, 5), 0.3, np.float32), seed=0) == 0).all()


@pytest.mark.parametrize("n", [5, 16, 120])
def test_the_picture_keeps_neighbours_together(n):
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((n, 30)) + 20 * np.eye(30)[np.arange(n) % 4]).astype(np.float32)
    found = tsne(vectors, seed=0)
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()
    assert (found == tsne(vectors, seed=0)).all()
    if n == 120:
        assert trustworthiness(vectors, found, n_neighbors=10) > 0.9
