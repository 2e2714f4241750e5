"""Moments of blocks against scipy, and the same bits however blocks are split among those who merge, in any order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.activations.summaries.block_moments import BlockMoments
from nwh.ingest.activations.summaries.moments import Moments

NAMES = ("mean", "m2", "m3", "m4", "min", "max", "positive")


def of(values):
    moments = Moments(len(values))
    if values.shape[1]:
        chunk = torch.from_numpy(values.copy())
        moments.update(chunk, *chunk.aminmax(dim=1))
    return moments


def total(blocks):
    found = Moments(3)
    blocks.add_to(found)
    return found


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), cuts=st.integers(0, 6))
def test_any_split_of_blocks_merged_in_any_order_gives_the_same_bits(seed, n, cuts):
    rng = np.random.default_rng(seed)
    values = [rng.standard_normal((3, rng.integers(0, 9))).astype(np.float32) ** 3 for _ in range(n)]
    stream = BlockMoments()
    for number, block in enumerate(values):
        stream.add(number, of(block))
    bounds = [0, *sorted(rng.integers(0, n + 1, cuts)), n]
    parts = []
    for first, last in pairwise(bounds):
        part = BlockMoments()
        for number in range(first, last):
            part.add(number, of(values[number]))
        resumed = BlockMoments()
        resumed.restore(part.state(), torch.device("cpu"))
        parts.append(resumed)
    merged = BlockMoments()
    for i in rng.permutation(len(parts)):
        merged.merge(parts[i])
    assert len(merged.state()) // 8 == bin(n).count("1")  # blocks that wait: the ones of n in binary
    one, other = total(stream), total(merged)
    assert one.n == other.n == sum(block.shape[1] for block in values)
    for name in NAMES:
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_moments_of_blocks_equal_scipy_and_those_of_some_neurons_are_theirs():
    values = np.random.default_rng(1).exponential(2.0, (3, 5000)).astype(np.float32)
    blocks = BlockMoments()
    for number in range(7):
        blocks.add(number, of(values[:, number * 715 : (number + 1) * 715]))
    exact = values.astype(np.float64)
    found = total(blocks)
    np.testing.assert_allclose(found.mean, exact.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found.std, exact.std(1), rtol=1e-9)
    np.testing.assert_allclose(found.skewness, scipy.stats.skew(exact, axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.kurtosis, scipy.stats.kurtosis(exact, axis=1), rtol=1e-9)
    halves = BlockMoments.beside([blocks.part(slice(0, 1)), blocks.part(slice(1, 3))])
    assert torch.equal(total(halves).m4, found.m4)
