"""Correlations of all neurons of one checkpoint with all of another, tile by tile: the full matrix is never there.

Matrices are [neurons, sentences] in float32; rows that are standardised have correlations for products.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from threadpoolctl import threadpool_limits

TILE = 512  # neurons correlated with a whole layer at a time: 6 MB of products for the 3,072 of BERT base
TIE = 1e-6  # sums of float32 products do not tell correlations nearer than this apart: they count as equal

Matrix = NDArray[np.float32]
Reader = Callable[[int], Matrix]
"""Layer -> its activations [neurons, sentences], a new array that may be changed."""


@dataclass(frozen=True)
class Partners:
    """For each neuron the best partner in one layer of the other checkpoint; arrays of [neurons].

    neuron: -1 where there is none, since the neuron or all of the others are constant. correlation: Pearson's, -inf
    where there is no partner. rotated: the highest with the other layer in a random orthogonal basis.
    """

    neuron: NDArray[np.int32]
    correlation: Matrix
    rotated: Matrix


class BestPartners:
    """The best partner of each neuron over the layers seen so far: `layer`, `neuron`, `correlation`, `rotated`.

    As in Partners, layer being -1 too where there is none. Layers are to be added in ascending order, so that among
    equals the lower one stays.
    """

    def __init__(self, n_neurons: int) -> None:
        self.layer = np.full(n_neurons, -1, np.int16)
        self.neuron = np.full(n_neurons, -1, np.int32)
        self.correlation = np.full(n_neurons, -np.inf, np.float32)
        self.rotated = np.full(n_neurons, -np.inf, np.float32)

    def add(self, layer: int, found: Partners) -> None:
        """Take over what is better in another layer."""
        better = found.correlation > self.correlation + TIE
        self.layer[better] = layer
        self.neuron[better] = found.neuron[better]
        self.correlation[better] = found.correlation[better]
        np.maximum(self.rotated, found.rotated, out=self.rotated)


def partners_by_layer(
    read: Reader, layers: Iterable[int], read_other: Reader, other_layers: Iterable[int], seed: int
) -> Iterator[tuple[int, Partners]]:
    """Yield, for each of the other checkpoint's layers asked for, the partners there of the neurons of all `layers`.

    The baseline is that of Gurnee et al. 2024 (arXiv 2401.12181): the other layer's activations times a random
    orthogonal matrix, drawn by `seed` and layer. Memory: four layers' activations at most and one such matrix. The
    standardised layers wait in a temporary folder, for each is needed once for every layer of the other.
    """
    with tempfile.TemporaryDirectory(prefix="nwh-correlation-") as folder:
        files = [_standardised(read(layer), Path(folder) / f"{layer}.npy") for layer in layers]
        for layer in other_layers:
            neurons = read_other(layer)
            centre(neurons)
            rotated = orthogonal(len(neurons), [seed, layer]).T @ neurons
            scale(neurons)
            scale(rotated)
            found = [_partners(np.load(file), neurons, rotated) for file in files]
            del neurons, rotated  # before the next ones are read
            parts = zip(*((each.neuron, each.correlation, each.rotated) for each in found), strict=True)
            yield layer, Partners(*map(np.concatenate, parts))


def _standardised(activations: Matrix, file: Path) -> Path:
    """Save a layer's activations, standardised."""
    centre(activations)
    scale(activations)
    np.save(file, activations)
    return file


def _partners(neurons: Matrix, others: Matrix, rotated: Matrix) -> Partners:
    best, correlation = best_partners(neurons, others)
    return Partners(best, correlation, best_partners(neurons, rotated)[1])


def best_partners(neurons: Matrix, others: Matrix) -> tuple[NDArray[np.int32], Matrix]:
    """Return, for each standardised row of `neurons`, which of `others` it correlates with most, and how much.

    Of others that tie the first; -1 and -inf where either side is constant.
    """
    best = np.full(len(neurons), -1, np.int32)
    highest = np.full(len(neurons), -np.inf, np.float32)
    every = np.arange(len(neurons))
    for start in range(0, len(others), TILE):
        tile = others[start : start + TILE]
        products = neurons @ tile.T  # [neurons, tile]
        products[:, ~tile.any(axis=1)] = -np.inf
        first = (products >= products.max(axis=1, keepdims=True) - TIE).argmax(axis=1)
        found = products[every, first]
        better = found > highest + TIE
        best[better] = first[better] + start
        highest[better] = found[better]
    constant = ~neurons.any(axis=1)
    best[constant], highest[constant] = -1, -np.inf
    return best, highest.clip(max=1)


def centre(activations: Matrix) -> None:
    """Subtract from each row its mean, taken in float64, in place. A constant row becomes exactly 0.

    Exactly: the sum of n equal float32 numbers has at most 24 + log2(n) bits, and a float64 holds 53.
    """
    for rows in _tiles(activations):
        rows -= rows.mean(axis=1, dtype=np.float64, keepdims=True)


def scale(activations: Matrix) -> None:
    """Divide each row by its length, taken in float64, in place. A row of zeros stays.

    Products of rows that are centred and scaled are their Pearson correlations.
    """
    for rows in _tiles(activations):
        lengths = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
        rows /= np.where(lengths > 0, lengths, 1)


def orthogonal(width: int, seed: Sequence[int]) -> Matrix:
    """Return a random orthogonal matrix [width, width], uniform over all of them (Mezzadri 2007).

    The Q of a Gaussian matrix, with the signs that make the diagonal of R positive.
    """
    gaussian = np.random.default_rng(seed).standard_normal((width, width), np.float32)
    q: Matrix
    with threadpool_limits(1, "blas"):  # threads meet at every few columns: far slower on a busy machine
        q, r = qr(gaussian, overwrite_a=True, check_finite=False)
    q *= np.where(np.diagonal(r) < 0, np.float32(-1), np.float32(1))
    return q


def _tiles(matrix: Matrix) -> list[Matrix]:
    """Return views of TILE rows each."""
    return [matrix[start : start + TILE] for start in range(0, len(matrix), TILE)]
