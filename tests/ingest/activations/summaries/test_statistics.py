"""Moments and histograms against numpy and scipy over all values, in any split, merged and resumed."""

import numpy as np
import pytest
import scipy.stats
import torch

from nwh.ingest.activations.summaries.histogram import LEVELS, Histogram
from nwh.ingest.activations.summaries.layer import LayerSummary, NotFiniteError
from nwh.ingest.activations.summaries.loops import COMPILED, IN_TORCH
from nwh.ingest.activations.summaries.moments import Moments

both = pytest.mark.parametrize("loops", [COMPILED, IN_TORCH], ids=["compiled", "in_torch"])


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = [
        rng.standard_normal(5000),
        rng.standard_normal(5000) * 1e-3 + 7,
        rng.exponential(3.0, 5000) - 1,
        np.full(5000, 0.25),
        np.where(rng.random(5000) < 0.001, 400.0, rng.standard_normal(5000) * 0.1),
        np.linspace(-1, 1, 5000) ** 3 * 1e4,
    ]
    return np.array(rows, dtype=np.float32)


def fill(kind, values: np.ndarray, parts: int, loops=COMPILED):
    summary = kind(len(values), loops)
    for part in np.array_split(values, parts, axis=1):
        chunk = torch.from_numpy(part.copy())
        summary.update(chunk, *chunk.aminmax(dim=1))
    return summary


@both
@pytest.mark.parametrize("parts", [1, 7, 400])
def test_moments_equal_scipy(values, parts, loops):
    moments = fill(Moments, values, parts, loops)
    exact = values.astype(np.float64)
    assert (np.abs(moments.mean.numpy() - exact.mean(1)) <= 1e-7 * exact.std(1)).all()
    np.testing.assert_allclose(moments.std, exact.std(1), rtol=1e-5)
    varying = exact.std(1) > 0
    skewness, kurtosis = (
        scipy.stats.skew(exact[varying], axis=1),
        scipy.stats.kurtosis(exact[varying], axis=1),
    )
    np.testing.assert_allclose(moments.skewness[varying], skewness, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moments.kurtosis[varying], kurtosis, rtol=1e-4, atol=1e-4)
    assert moments.skewness[3] == 0
    assert moments.kurtosis[3] == 0
    np.testing.assert_array_equal(moments.min, values.min(1))
    np.testing.assert_array_equal(moments.max, values.max(1))
    np.testing.assert_array_equal(moments.positive, (values > 0).sum(1))


@both
def test_merged_moments_equal_scipy(values, loops):
    left, right = fill(Moments, values[:, :1234], 3, loops), fill(Moments, values[:, 1234:], 5)
    right.merge(left)
    exact = values.astype(np.float64)
    assert (np.abs(right.mean.numpy() - exact.mean(1)) <= 1e-7 * exact.std(1)).all()
    np.testing.assert_allclose(right.std, exact.std(1), rtol=1e-5)


@both
@pytest.mark.parametrize("parts", [1, 7, 400])
def test_histogram_and_quantiles_are_within_their_bound(values, parts, loops):
    histogram = fill(Histogram, values, parts, loops)
    span = values.max(1) - values.min(1)
    resolution = histogram.resolution.numpy()
    assert (resolution <= span / 500).all()
    want = np.quantile(values, LEVELS, axis=1, method="inverted_cdf").T
    assert (np.abs(histogram.quantiles().numpy() - want) <= resolution[:, None]).all()
    edges, counts = (part.numpy() for part in histogram.bins())
    assert (counts.sum(1) == values.shape[1]).all()
    for row, edge, count, bound in zip(values, edges, counts, resolution, strict=True):
        np.testing.assert_allclose(edge, np.linspace(row.min(), row.max(), 65), rtol=1e-4, atol=1e-6)
        for i in range(1, 64):  # as many values below each edge as exact edges moved by the bound would give
            below = count[:i].sum()
            assert (row < edge[i] - bound).sum() <= below <= (row <= edge[i] + bound).sum()


@both
def test_histogram_does_not_depend_on_order_or_split(values, loops):
    rng = np.random.default_rng(5)
    whole = fill(Histogram, values, 1)
    shuffled = fill(Histogram, values[:, rng.permutation(values.shape[1])], 60, loops)
    merged = fill(Histogram, values[:, 3000:], 2, loops)
    merged.merge(fill(Histogram, values[:, :3000], 9, loops))
    for other in (shuffled, merged):
        assert torch.equal(whole.counts, other.counts)
        assert torch.equal(whole.exponent, other.exponent)


@pytest.mark.parametrize("n", [200, 300, 40_000])
def test_counts_are_staged_in_the_narrowest_type_that_holds_them(n):
    histogram = fill(Histogram, np.full((2, n), 1.5, np.float32), 1)
    state = histogram.state()
    assert state["counts"].dtype == {200: torch.uint8, 300: torch.int16, 40_000: torch.int32}[n]
    resumed = Histogram(2)
    resumed.restore(state)
    assert torch.equal(resumed.counts, histogram.counts)
    assert resumed.counts.dtype == torch.int32


@both
def test_a_layer_resumed_from_its_state_is_the_same_bit_for_bit(values, loops):
    sample = torch.tensor([3, 100, 4999])
    ordinals = torch.arange(5000)
    whole, first = (LayerSummary(6, 50, sample, False, loops) for _ in range(2))
    for start in range(0, 5000, 1000):
        chunk = torch.from_numpy(values[:, start : start + 1000].copy()), ordinals[start : start + 1000]
        tokens = chunk[0].T[:, None], torch.ones(1000, 1, dtype=torch.bool)
        for summary in (whole, first):
            summary.update(*chunk)
            summary.see_tokens(*tokens)
        state = {name: tensor.clone() for name, tensor in first.state().items()}
        first = LayerSummary(6, 50, sample, False, loops)
        first.restore(state)
    for name, tensor in whole.state().items():
        if not name.endswith("keys"):
            assert torch.equal(tensor, first.state()[name]), name
    for pole in ("top", "bottom"):
        assert torch.equal(getattr(whole, pole).result()[1], getattr(first, pole).result()[1])
    np.testing.assert_array_equal(whole.sampled.numpy(), values[:, sample.numpy()].T)
    np.testing.assert_array_equal(whole.max_token.numpy(), values.max(1))


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_highest_token_is_one_that_counts_in_any_split(dtype, loops):
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randn(30, 7, 6, generator=draw).to(dtype)
    counted = torch.rand(30, 7, generator=draw) < 0.7
    parts = [LayerSummary(6, 5, torch.tensor([], dtype=torch.int64), False, loops) for _ in range(3)]
    for part, some in zip(parts, (slice(0, 4), slice(4, 30), slice(0, 0)), strict=True):
        if some.start < some.stop:
            part.see_tokens(tokens[some], counted[some])
    parts[0].merge(parts[2])
    parts[0].merge(parts[1])
    assert torch.equal(parts[0].max_token, tokens[counted].float().amax(0))


@both
def test_nan_is_refused_naming_the_neuron_and_sentence(values, loops):
    broken = torch.from_numpy(values[:, :10].copy())
    broken[2, 7] = torch.nan
    with pytest.raises(NotFiniteError, match="neuron 2 is nan for the sentence of ordinal 107"):
        LayerSummary(6, 5, torch.tensor([], dtype=torch.int64), False, loops).update(broken, torch.arange(100, 110))
