import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact
from sklearn.metrics import roc_auc_score

from nwh.ingest.sample import Sample
from nwh.ingest.statistics import (
    auroc,
    benjamini_hochberg,
    first_half,
    g2,
    heldout_auroc,
    lift,
    p_value,
)
from nwh.warehouse.errors import UsageError

cells = st.integers(0, 2000)


@given(cells, cells, cells, cells)
def test_g2_and_p_are_those_of_scipy(a, b, c, d):
    assume(min(a + b, c + d, a + c, b + d) > 0)  # scipy refuses a margin of 0
    expected = chi2_contingency([[a, b], [c, d]], correction=False, lambda_="log-likelihood")
    got = g2(a, a + b, a + c, a + b + c + d)
    assert got == pytest.approx(expected.statistic, rel=1e-9, abs=1e-8)
    p = expected.pvalue if expected.expected_freq.min() >= 1 else fisher_exact([[a, b], [c, d]]).pvalue
    assert p_value(got, a, a + b, a + c, a + b + c + d) == pytest.approx(p, rel=1e-6, abs=1e-300)


def test_p_of_every_small_table_with_a_rare_cell_is_fishers():
    tables = [
        (a, k, c, n)
        for n in range(1, 17)
        for k, c in np.ndindex(n + 1, n + 1)
        for a in range(max(0, k + c - n), min(k, c) + 1)
        if min(k, n - k) * min(c, n - c) < n
    ]
    tables += [(1, 1000, 1, 57_000), (2, 1000, 2, 57_000), (10, 1000, 10, 57_000), (30, 1000, 40, 57_000)]
    counts = np.array(tables).T
    exact = [fisher_exact([[a, k - a], [c - a, n - k - c + a]]).pvalue for a, k, c, n in tables]
    assert p_value(g2(*counts), *counts) == pytest.approx(np.array(exact), rel=1e-8)
    assert exact[-4] == pytest.approx(1000 / 57_000)  # chi-square says 0.0045


def test_g2_is_vectorised_and_symmetric_in_over_and_under():
    got = g2([30, 0], 100, [30, 500], [1000, 1000])
    assert got.shape == (2,)
    assert (got > 50).all()


@pytest.mark.parametrize(
    ("support", "k", "corpus_support", "n"), [(3, 10, 3, 10), (10, 10, 50, 50), (0, 10, 0, 50), (0, 0, 4, 9)]
)
def test_a_margin_of_zero_tells_nothing(support, k, corpus_support, n):
    assert g2(support, k, corpus_support, n) == 0
    assert p_value(g2(support, k, corpus_support, n), support, k, corpus_support, n) == 1


def test_lift():
    assert lift([10, 5], 100, [20, 500], 1000).tolist() == [5.0, 0.1]
    assert lift(3, 10, 3, 10) == 1
    assert np.isnan(lift([0, 0], [10, 0], [0, 4], 50)).all()


@pytest.mark.parametrize("table", [(11, 10, 20, 50), (5, 10, 4, 50), (5, 10, 50, 50), (-1, 10, 20, 50)])
@pytest.mark.parametrize("statistic", [lift, g2, heldout_auroc])
def test_counts_that_no_table_has_are_refused(statistic, table):
    with pytest.raises(UsageError, match="pattern 1 "):
        statistic(*zip((1, 2, 1, 9), table, strict=True))


groups = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.floats(0, 1), st.just(0.01))), max_size=60)


@given(groups)
def test_q_values_are_those_of_scipy_in_each_group(rows):
    group, p = np.array([g for g, _ in rows], int), np.array([p for _, p in rows], float)
    q = benjamini_hochberg(p, group)
    for g in set(group.tolist()):
        assert q[group == g] == pytest.approx(false_discovery_control(p[group == g]), rel=1e-12, abs=0)


def test_p_values_outside_their_range_are_refused():
    for p in ([1.2], [np.nan], [0.1, 0.2]):
        with pytest.raises(UsageError, match=r"0\.\.1"):
            benjamini_hochberg(p, [0])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=80))
def test_auroc_is_that_of_sklearn(sentences):
    top, has = (np.array(column) for column in zip(*sentences, strict=True))
    assume(0 < top.sum() < len(top))
    got = heldout_auroc((top & has).sum(), top.sum(), has.sum(), len(top))
    assert got == pytest.approx(roc_auc_score(top, has))


def test_auroc_needs_both_kinds_of_sentences():
    assert np.isnan(heldout_auroc([0, 2], [0, 5], [3, 2], [9, 5])).all()


def splitmix64(x):
    """The reference in integers of any size: next() of a generator with state x."""
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def test_halves_follow_the_published_hash():
    assert splitmix64(1234567) == 6457827717110365317  # Rosetta Code, "Pseudo-random numbers/Splitmix64"
    ids = [0, 1, 2, 1234567, 2**53 - 1, 2**63 - 1]
    assert first_half(ids).tolist() == [splitmix64(i) < 2**63 for i in ids]
    place = np.arange(100_000) + (12345 << 32)
    assert abs(first_half(place).mean() - 0.5) < 0.005  # three standard errors
    assert (first_half(place[::2]).mean() - first_half(place[1::2]).mean()) == pytest.approx(0, abs=0.01)


@given(st.integers(0, 10_000))
def test_auroc_of_ranks_is_that_of_scikit_learn(seed):
    """Of activations many of which tie; null where fewer than five sentences have it, or lack it."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(10, 60))
    activations = draw.integers(0, 12, (n, 3)).astype(np.float32)
    has = draw.random(n) < draw.random()
    found = auroc(Sample(np.arange(n), np.ones(n), activations).ranks[:, has].sum(axis=1), has.sum(), n)
    if 5 <= has.sum() <= n - 5:
        assert found == pytest.approx([roc_auc_score(has, activations[:, i]) for i in range(3)], abs=0.000501)
    else:
        assert np.isnan(found).all()
