"""Statistics of patterns, over arrays: lift, Dunning's G2 and its p, Benjamini-Hochberg q, AUROC of two kinds.

The table behind a pattern of a neuron: k sentences of its top-K, of which `support` have the pattern, against
the other n - k sentences of the scope, of which corpus_support - support have it.
"""

from math import exp, lgamma

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, rel_entr

from nwh.ingest.compiling import compiled
from nwh.warehouse.errors import UsageError
from nwh.warehouse.schema.glossary import LEAST_SAMPLED

Floats = NDArray[np.float64]


def lift(support: ArrayLike, k: ArrayLike, corpus_support: ArrayLike, n: ArrayLike) -> Floats:
    """Return (support / k) / (corpus_support / n); nan where the corpus lacks the pattern, or k = 0."""
    _check_table(support, k, corpus_support, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(support, k, dtype=np.float64) / np.divide(corpus_support, n, dtype=np.float64)


def g2(support: ArrayLike, k: ArrayLike, corpus_support: ArrayLike, n: ArrayLike) -> Floats:
    """Return Dunning's log-likelihood ratio G2 = 2 sum O ln(O / E) of the 2 x 2 table (Dunning 1993).

    A cell of 0 adds 0. Where a margin is 0 (k = n: no other sentences; a pattern that all or none have) there
    is nothing to tell apart and G2 is 0.
    """
    _check_table(support, k, corpus_support, n)
    with_in, top, with_all, total = (np.asarray(x, np.float64) for x in (support, k, corpus_support, n))
    statistic = np.zeros(np.broadcast(with_in, top, with_all, total).shape)
    safe_total = np.maximum(total, 1)
    for row, with_row in ((top, with_in), (total - top, with_all - with_in)):
        for column, cell in ((with_all, with_row), (total - with_all, row - with_row)):
            statistic += rel_entr(cell, row * column / safe_total)
    return np.maximum(2 * statistic, 0.0)  # rounding can leave independence a little below 0


def p_value(statistic: ArrayLike, support: ArrayLike, k: ArrayLike, corpus_support: ArrayLike, n: ArrayLike) -> Floats:
    """Return the two-sided p of tables and their G2: chi-square with one degree of freedom, or Fisher's exact.

    Fisher's where a cell has an expected count below 1: chi-square is then several times too small (Cochran 1954).
    Below about 1e-308 it is 0.
    """
    _check_table(support, k, corpus_support, n)
    p = np.asarray(erfc(np.sqrt(np.asarray(statistic, np.float64) / 2)), np.float64)
    tables = np.broadcast_arrays(p, *(np.asarray(x, np.int64) for x in (support, k, corpus_support, n)))
    return _exact_where_rare(*(np.ravel(x) for x in tables)).reshape(tables[0].shape)


@compiled()
def _exact_where_rare(
    p: Floats, support: NDArray[np.int64], k: NDArray[np.int64], with_all: NDArray[np.int64], n: NDArray[np.int64]
) -> Floats:
    """Return p, replaced by Fisher's exact where the table is rare."""
    result = p.copy()
    for i in range(len(p)):
        if is_rare(k[i], with_all[i], n[i]):
            result[i] = exact_p(support[i], k[i], with_all[i], n[i])
    return result


@compiled(nogil=True)
def is_rare(k: int, with_all: int, n: int) -> bool:
    """Return whether the smallest expected count of a table is below 1."""
    return float(min(k, n - k)) * min(with_all, n - with_all) < n


@compiled(nogil=True)
def exact_p(support: int, k: int, with_all: int, n: int) -> float:
    """Return Fisher's exact p, two-sided, of a rare table."""
    row, column = min(k, n - k), min(with_all, n - with_all)
    in_row = support if row == k else with_all - support
    return _fisher(in_row if column == with_all else row - in_row, row, column, n)


@compiled()
def _fisher(cell: int, row: int, column: int, n: int) -> float:
    """Return the probability of all tables of these margins that are no likelier than the one with this cell.

    The cell of the smaller margins, whose expected count is below 1. So the likeliest table has 0 or 1 in it, and those
    wanted have at least as much, or all but 1 where 1 is likeliest and the cell is empty.
    """
    one_over_none = _next_table(0, row, column, n)
    if cell == 0:
        return 1 - _table(1, row, column, n) if one_over_none > 1 else 1.0
    if cell == 1 and one_over_none >= 1:
        return 1.0
    tables = 1.0  # Horner; each table is at least 2, 3, 4 ... times less likely than the one before
    for above in range(9, -1, -1):
        tables = 1 + _next_table(cell + above, row, column, n) * tables
    return min(1.0, _table(cell, row, column, n) * tables)


@compiled()
def _next_table(cell: int, row: int, column: int, n: int) -> float:
    """Return how much likelier a table is with one more in its cell."""
    return float(row - cell) * (column - cell) / (float(cell + 1) * (n - row - column + cell + 1))


@compiled()
def _table(cell: int, row: int, column: int, n: int) -> float:
    """Return the probability of a table, its margins given: the hypergeometric distribution."""
    return exp(
        lgamma(row + 1.0) - lgamma(cell + 1.0) - lgamma(row - cell + 1.0)
        + lgamma(n - row + 1.0) - lgamma(column - cell + 1.0) - lgamma(n - row - column + cell + 1.0)
        + lgamma(column + 1.0) + lgamma(n - column + 1.0) - lgamma(n + 1.0)
    )  # fmt: skip


def benjamini_hochberg(p: ArrayLike, group: ArrayLike) -> Floats:
    """Return q-values, each group (neuron x kind) corrected by itself (Benjamini and Hochberg 1995).

    `p` (R,) and `group` (R,), integers in any order. q = min over larger p of p * m / rank, m the group's
    size.
    """
    p, group = np.asarray(p, np.float64), np.asarray(group)
    if p.shape != group.shape or not ((p >= 0) & (p <= 1)).all():
        raise UsageError("p-values must lie in 0..1 and have one group each: compute them with p_value")
    order = np.lexsort((p, group))
    q = np.empty_like(p)
    q[order] = _step_up(p[order], group[order])
    return q


@compiled()
def _step_up(p: Floats, group: NDArray[np.int64]) -> Floats:
    """Return q of p-values sorted by group, then p."""
    q = np.empty(len(p))
    start = 0
    while start < len(p):
        stop = start
        while stop < len(p) and group[stop] == group[start]:
            stop += 1
        smallest = 1.0
        for i in range(stop - 1, start - 1, -1):
            smallest = min(smallest, p[i] * (stop - start) / (i - start + 1))
            q[i] = smallest
        start = stop
    return q


def first_half(sentence_ids: ArrayLike) -> NDArray[np.bool_]:
    """Return which sentences are in the first half, by which patterns are chosen where a held-out score is shown.

    The others are held out: see `mined_patterns`.

    The half is the highest bit of the SplitMix64 hash of `sentence_id` (Steele, Lea and Flood 2014): 0 is the
    first. It depends on nothing else, so a sentence is in the same half for every model and scope.
    """
    with np.errstate(over="ignore"):
        z = np.asarray(sentence_ids, np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return z < np.uint64(1 << 63)


def heldout_auroc(support: ArrayLike, k: ArrayLike, corpus_support: ArrayLike, n: ArrayLike) -> Floats:
    """Return the AUROC of "has the pattern" as a prediction of "is in the top-K" on held-out sentences.

    All counts are those of the second half: (1 + support / k - (corpus_support - support) / (n - k)) / 2.
    nan where the half has no sentence of the top-K or nothing else: there is nothing to rank.
    """
    _check_table(support, k, corpus_support, n)
    others_with, others = np.subtract(corpus_support, support), np.subtract(n, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1 + np.divide(support, k, dtype=float) - np.divide(others_with, others, dtype=float)) / 2


def auroc(rank_sum: ArrayLike, support: ArrayLike, n: int) -> Floats:
    """Return the AUROC of a neuron's activation as a detector of something, rounded to 3 digits.

    The chance that a sentence with it has a higher activation than one without, ties counting half: the Mann-Whitney
    U of the n sampled sentences, of which `support` have it, over the number of pairs. rank_sum: of their ranks by
    activation, from 1 for the lowest. nan where fewer than LEAST_SAMPLED have it, or lack it.
    """
    total, with_it = np.broadcast_arrays(np.asarray(rank_sum, np.float64), np.asarray(support, np.float64))
    enough = (with_it >= LEAST_SAMPLED) & (n - with_it >= LEAST_SAMPLED)
    area = np.full(with_it.shape, np.nan)
    np.divide(total - with_it * (with_it + 1) / 2, with_it * (n - with_it), out=area, where=enough)
    return np.round(area, 3)


def _check_table(support: ArrayLike, k: ArrayLike, corpus_support: ArrayLike, n: ArrayLike) -> None:
    a, k, c, n = np.broadcast_arrays(support, k, corpus_support, n)
    wrong = (a < 0) | (a > k) | (a > c) | (c - a > n - k)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise UsageError(
            f"pattern {i} has support {a.flat[i]} of k = {k.flat[i]} and corpus support {c.flat[i]} of "
            f"n = {n.flat[i]}, which no table has: count the corpus over all sentences that counted"
        )
