"""The compiled counting and testing of items, against scipy and a full recount."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nwh.ingest.profiles import kernels


@given(st.data())
@settings(max_examples=60)
def test_counts_g2_p_and_q_are_those_of_a_recount(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    n, n_items = int(rng.integers(5, 120)), int(rng.integers(1, 30))
    k = int(rng.integers(1, n))
    has = rng.random((n, n_items)) < rng.choice([0.01, 0.1, 0.5], n_items)
    starts = np.concatenate([[0], has.sum(axis=1).cumsum()]).astype(np.int64)
    items = np.concatenate([np.flatnonzero(row) for row in has]).astype(np.int32)
    family = rng.integers(0, 3, n_items).astype(np.int32)
    always = rng.random(n_items) < 0.2
    whole = has.sum(axis=0).astype(np.int64)
    always &= whole > 0
    members = rng.choice(n, k, replace=False).astype(np.int32)
    seen, sizes = np.tile([0, 0, -1], (n_items, 1)), np.bincount(family[whole > 0], minlength=3)
    rows = int(rng.integers(1, n + 2))  # the tests of some corpus supports are remembered, those of others are not
    tests = np.full((rows, kernels.REMEMBERED, 2), np.nan)
    slots = np.full((rows, kernels.REMEMBERED), -1, np.int32)
    document = np.sort(rng.integers(0, n, n)).astype(np.int32)
    item, support, documents, g2, p, q, tested = kernels.tested_items(
        members, starts, items, family, sizes, whole, n, always, 2, document, seen, tests, slots
    )
    assert (seen == [0, 0, -1]).all()
    assert (slots == -1).all()
    own = has[members].sum(axis=0)
    present = (own > 0) | always  # what the set lacks else has a p of 1
    want = np.flatnonzero((own >= 2) | always)
    assert sorted(item.tolist()) == want.tolist()
    p_of = np.ones(n_items)
    for i in np.flatnonzero(present):
        table = [[own[i], k - own[i]], [whole[i] - own[i], n - k - whole[i] + own[i]]]
        expected = stats.contingency.expected_freq(table)
        live = np.array(table) > 0
        ratio = 2 * (np.array(table)[live] * np.log(np.array(table)[live] / expected[live])).sum()
        if expected.min() < 1:
            p_of[i] = stats.fisher_exact(table).pvalue
        else:
            p_of[i] = stats.chi2.sf(max(0, ratio), 1)
        if i in item:
            at = int(np.flatnonzero(item == i)[0])
            assert support[at] == own[i]
            assert documents[at] == len({document[member] for member in members if has[member, i]})
            assert g2[at] == pytest.approx(ratio, abs=1e-9)
            assert p[at] == pytest.approx(p_of[i], rel=1e-6, abs=1e-10)
    for of in range(3):
        members_of = np.flatnonzero((whole > 0) & (family == of))
        if not len(members_of):
            continue
        q_of = dict(zip(members_of.tolist(), stats.false_discovery_control(p_of[members_of]), strict=True))
        for at, i in enumerate(item.tolist()):
            if family[i] == of:
                assert tested[at] == len(members_of)
                assert q[at] == pytest.approx(q_of[i], rel=1e-6, abs=1e-10)


def test_sums_are_those_of_numpy():
    rng = np.random.default_rng(0)
    amounts = rng.integers(0, 9, (50, 4)).astype(np.int32)
    members, bounds = rng.integers(0, 50, 37), np.array([0, 10, 10, 37])
    found = kernels.sums(members, bounds, amounts)
    assert found.tolist() == [amounts[members[a:b]].sum(axis=0).tolist() for a, b in ((0, 10), (10, 10), (10, 37))]
