import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwh.ingest.patterns.mining.patterns import check_set, merge
from nwh.ingest.patterns.mining.supports import minimum_count, pack_weights
from nwh.warehouse.errors import UsageError


def rows_of(patterns):
    """Rows as a kernel gives them, of a prefix-closed {pattern: support}."""
    order = sorted(patterns)
    rows = [(p[-1], order.index(p[:-1]) if len(p) > 1 else -1, len(p)) for p in order]
    return np.array(rows, np.int32).reshape(-1, 3), np.array([patterns[p] for p in order], np.int64)


pattern_sets = st.lists(
    st.dictionaries(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), st.integers(1, 9)),
    max_size=4,
)


@given(pattern_sets)
def test_merging_keeps_every_row_and_each_distinct_pattern_once(sets):
    for patterns in sets:  # close under prefixes
        for pattern in list(patterns):
            for n in range(1, len(pattern)):
                patterns.setdefault(pattern[:n], 1)
    mined = merge([rows_of(patterns) for patterns in sets])
    spelled = [tuple(c for c in row if c >= 0) for row in mined.patterns.matrix().tolist()]
    assert len(set(spelled)) == len(spelled)
    got = list(zip(mined.set_index.tolist(), [spelled[p] for p in mined.pattern], mined.support, strict=True))
    assert sorted(got) == sorted((i, p, s) for i, patterns in enumerate(sets) for p, s in patterns.items())
    bounds = mined.patterns.child_bounds()
    for i, pattern in enumerate(spelled):
        assert [q for q in spelled if q[:-1] == pattern] == spelled[bounds[i + 1] : bounds[i + 2]]


@pytest.mark.parametrize(
    ("share", "k", "count"), [(0.01, 1000, 10), (0.07, 100, 7), (0.01, 1001, 11), (1, 5, 5), (0.001, 3, 1)]
)
def test_minimum_count_is_the_smallest_share_reached(share, k, count):
    assert minimum_count(share, k) == count


@given(st.integers(1, 500), st.integers(1, 500))
def test_minimum_count_of_an_exact_share_is_its_count(c, k):
    assert minimum_count(min(c, k) / k, k) == min(c, k)


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_minimum_support_outside_its_range_is_refused(share):
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        minimum_count(share, 10)


def test_sets_are_checked():
    assert check_set(np.array([3, 1]), 4, 0).tolist() == [1, 3]
    with pytest.raises(UsageError, match="set 7 has a sentence twice"):
        check_set(np.array([1, 1]), 4, 7)
    for bad in (-1, 4):
        with pytest.raises(UsageError, match=r"0\.\.3"):
            check_set(np.array([bad]), 4, 0)
    with pytest.raises(UsageError, match="first_half"):
        pack_weights(3, np.array([True]))
