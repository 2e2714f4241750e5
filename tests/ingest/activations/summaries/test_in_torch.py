"""What torch keeps of a stream is what the compiled loops keep: bit for bit, but for the rounding of moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.activations.summaries.layer import LayerSummary, NotFiniteError
from nwh.ingest.activations.summaries.loops import COMPILED, IN_TORCH

WIDTHS = (3, 1, 4)


def chunks(rng, values, positions, cuts):
    """Yield the sentences in a drawn order and split."""
    order = rng.permutation(values.shape[1])
    for part in np.array_split(order, cuts):
        if len(part):
            at = torch.from_numpy(positions[:, part].copy()) if positions is not None else None
            yield torch.from_numpy(values[:, part].copy()), torch.from_numpy(part), at


def rows(summary):
    """Return all that rows are made of, but for the rounded moments."""
    histogram, moments = summary.histogram, summary.moments
    found = [*summary.top.result(), *summary.bottom.result(), *histogram.bins(), histogram.quantiles()]
    found += [histogram.resolution, histogram.counts, summary.sampled, summary.max_token]
    return [*found, moments.min, moments.max, moments.positive, torch.tensor(moments.n)]


def same(one, other):
    for a, b in zip(rows(one), rows(other), strict=True):
        assert a is b is None or (a.dtype == b.dtype and torch.equal(a.nan_to_num(7e7), b.nan_to_num(7e7)))
    a, b = one.moments, other.moments
    scale = a.std.clamp(min=1e-30)
    # 1e-12 of a standard deviation: float64 sums in another order
    assert ((a.mean - b.mean).abs() <= 1e-12 * (scale + a.mean.abs())).all()
    torch.testing.assert_close(a.std, b.std, rtol=1e-9, atol=1e-12)
    spread = a.std > 1e-6 * a.mean.abs()  # else rounding is all there is
    torch.testing.assert_close(a.skewness[spread], b.skewness[spread], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(a.kurtosis[spread], b.kurtosis[spread], rtol=1e-7, atol=1e-7)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5000),
    k=st.sampled_from([1, 7, 600, 3000]),
    cuts=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.sampled_from([1e-38, 1e-3, 1.0, 1e6]),
    ties=st.booleans(),
    with_positions=st.booleans(),
)
def test_any_order_and_split_gives_the_same_rows_in_both(seed, n, k, cuts, size, ties, with_positions):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((sum(WIDTHS), n)) ** 3
    values = ((np.round(values) if ties else values) * size).astype(np.float32)
    values[1] = 0.25 * size
    values[2] *= -0.0
    positions = rng.integers(0, 500, values.shape).astype(np.int16) if with_positions else None
    sample = torch.from_numpy(np.sort(rng.permutation(n)[: n // 10]))
    one, other = (LayerSummary(len(values), k, sample, with_positions, loops) for loops in (COMPILED, IN_TORCH))
    for summary, of in zip((one, other), cuts, strict=True):
        for chunk in chunks(rng, values, positions, of):
            summary.update(*chunk)
        summary.raise_max_token(torch.from_numpy(values.max(1)))
    same(one, other)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), k=st.sampled_from([5, 900]))
def test_states_merge_and_go_on_across_the_two(seed, k):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((sum(WIDTHS), 4000)).astype(np.float32)
    sample = torch.tensor([5, 1000, 3999])
    whole, *parts = (LayerSummary(len(values), k, sample, False, of) for of in (COMPILED, IN_TORCH, COMPILED, IN_TORCH))
    whole.update(torch.from_numpy(values), torch.arange(4000))
    thirds = np.array_split(np.arange(4000), 3)
    for part, of in zip(parts, thirds, strict=True):
        part.update(torch.from_numpy(values[:, of]), torch.from_numpy(of))
    for i in rng.permutation([1, 2]):
        parts[0].merge(parts[i])
    for loops in (COMPILED, IN_TORCH):
        resumed = LayerSummary(len(values), k, sample, False, loops)
        resumed.restore({name: tensor.clone() for name, tensor in parts[0].state().items()})
        same(whole, resumed)


def test_a_part_is_filled_with_the_whole():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((8, 3000)).astype(np.float32)
    sample = torch.tensor([0, 2999])
    whole, alone = (LayerSummary(n, 40, sample, False, IN_TORCH) for n in (8, 3))
    for start in (0, 1500):
        chunk = torch.from_numpy(values[:, start : start + 1500].copy())
        for neurons in (slice(0, 5), slice(5, 8)):
            whole.part(neurons).update(chunk[neurons], torch.arange(start, start + 1500))
        whole.moments.n += 1500
        alone.update(chunk[5:], torch.arange(start, start + 1500))
    same(alone, whole.part(slice(5, 8)))


def test_what_is_not_finite_is_refused_before_anything_is_kept():
    summary = LayerSummary(2, 3, torch.tensor([], dtype=torch.int64), False, IN_TORCH)
    values = torch.ones(2, 5)
    values[1, 3] = -torch.inf
    with pytest.raises(NotFiniteError, match="neuron 1 is -inf for the sentence of ordinal 13"):
        summary.update(values, torch.arange(10, 15))
    assert summary.moments.n == 0
    assert summary.top.result()[0].shape == (2, 0)
