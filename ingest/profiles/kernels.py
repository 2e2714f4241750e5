"""Compiled loops over the top (bottom) sentences of one neuron: what these have more often than the corpus.

Items (words of a class, values of a metadata key) are numbers, so are sentences: those that counted for the model, in
the order of their ids. Compressed rows hold the items of each: those of sentence s are
`items[starts[s]:starts[s + 1]]`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Count = int | np.int64

EXACT_SUPPORTS = 32
"""Supports whose exact p is remembered; a higher one where less than one is expected has a p of almost nothing."""


@compiled(nogil=True)
def tested_items(
    members: Longs,
    starts: Longs,
    items: Ints,
    family: Ints,
    n_families: int,
    corpus_support: Longs,
    n_sentences: int,
    always: NDArray[np.bool_],
    floor: int,
    counts: Longs,
    exact: Floats,
) -> tuple[Ints, Ints, Floats, Floats, Floats, Ints]:
    """Count and test the items of a set of sentences; return those with at least `floor`, and all of `always`.

    members: [k] sentences. family, corpus_support, always: [items]. counts: [items] zeros, and zeros again afterwards.
    exact: [corpus supports, EXACT_SUPPORTS], nan where not computed yet. Returned, one entry per item kept: item,
    support, G2, p, q (Benjamini-Hochberg over the items of the family that are found or of `always`), and how many
    these are.
    """
    k = len(members)
    found = np.empty(len(counts), np.int32)
    n = 0
    for member in members:
        for place in range(starts[member], starts[member + 1]):
            item = items[place]
            if counts[item] == 0:
                found[n] = item
                n += 1
            counts[item] += 1
    for item in np.flatnonzero(always):
        if counts[item] == 0:
            found[n] = item
            n += 1
    g2, p = np.empty(n), np.empty(n)
    tested = np.zeros(n_families, np.int64)
    for i in range(n):
        item = found[i]
        n_with, whole = counts[item], corpus_support[item]
        g2[i] = log_likelihood_ratio(n_with, k, whole, n_sentences)
        if k * whole < n_sentences and whole < len(exact) and n_with < EXACT_SUPPORTS:
            if math.isnan(exact[whole, n_with]):
                exact[whole, n_with] = at_least(n_with, k, whole, n_sentences)
            p[i] = exact[whole, n_with]
        elif k * whole < n_sentences:
            p[i] = at_least(n_with, k, whole, n_sentences)
        else:
            p[i] = math.erfc(math.sqrt(g2[i] / 2))
        tested[family[item]] += 1
    q = np.empty(n)
    rank, least = tested.copy(), np.ones(n_families)
    for i in np.argsort(p)[::-1]:
        of = family[found[i]]
        least[of] = min(least[of], p[i] * tested[of] / rank[of])
        rank[of] -= 1
        q[i] = least[of]
    kept = 0
    for i in range(n):
        item = found[i]
        if counts[item] >= floor or always[item]:
            found[kept], g2[kept], p[kept], q[kept] = item, g2[i], p[i], q[i]
            kept += 1
        else:
            counts[item] = 0
    found = found[:kept].copy()
    support, size = np.empty(kept, np.int32), np.empty(kept, np.int32)
    for i in range(kept):
        support[i], size[i] = counts[found[i]], tested[family[found[i]]]
        counts[found[i]] = 0
    return found, support, g2[:kept].copy(), p[:kept].copy(), q[:kept].copy(), size


@compiled(nogil=True)
def log_likelihood_ratio(support: Count, k: Count, corpus_support: Count, n: Count) -> float:
    """Return Dunning's G2 of a set of k of n sentences against the others, with against without an item."""
    total = 0.0
    for row, with_item in ((k, support), (n - k, corpus_support - support)):
        for column, cell in ((corpus_support, with_item), (n - corpus_support, row - with_item)):
            if cell > 0:
                total += cell * math.log(cell / (row * (column / n)))
    return max(0.0, 2 * total)


@compiled(nogil=True)
def at_least(support: Count, k: Count, corpus_support: Count, n: Count) -> float:
    """Return the chance that k of n sentences drawn at random have at least `support` of the `corpus_support`.

    The hypergeometric tail: Fisher's exact p of an item that is found more often than expected.
    """
    others = n - corpus_support
    chance = math.exp(_log_choose(corpus_support, support) + _log_choose(others, k - support) - _log_choose(n, k))
    total, x = 0.0, support
    while chance > 0 and chance > total * 1e-16:
        total += chance
        chance *= (corpus_support - x) * (k - x) / ((x + 1.0) * (others - k + x + 1.0))
        x += 1
    return min(1.0, total)


@compiled(nogil=True)
def _log_choose(n: Count, k: Count) -> float:
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


@compiled(nogil=True)
def sums(members: NDArray[np.int64], bounds: Longs, amounts: NDArray[np.int32]) -> Longs:
    """Return the sums of amounts, [sentences, F], over sets of sentences, [sets, F].

    The members of set i are `members[bounds[i]:bounds[i + 1]]`.
    """
    total = np.zeros((len(bounds) - 1, amounts.shape[1]), np.int64)
    for i in range(len(bounds) - 1):
        for member in members[bounds[i] : bounds[i + 1]]:
            for j in range(amounts.shape[1]):
                total[i, j] += amounts[member, j]
    return total
