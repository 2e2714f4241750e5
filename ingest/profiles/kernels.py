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
from nwh.ingest.statistics import exact_p, is_rare

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
    tested: Longs,
    corpus_support: Longs,
    n_sentences: int,
    always: NDArray[np.bool_],
    floor: int,
    counts: Longs,
    exact: Floats,
    document: Ints,
    latest: Ints,
    documents: Ints,
) -> tuple[Ints, Ints, Ints, Floats, Floats, Floats, Ints]:
    """Count and test the items of a set of sentences; return those with at least `floor`, and all of `always`.

    members: [k] sentences. document: number of each sentence's document. family, corpus_support, always, latest and
    documents (room for these two): [items]. tested: items of each family that the corpus has. counts: [items] zeros,
    and zeros again afterwards. exact: [corpus supports, EXACT_SUPPORTS], nan where not computed yet. Returned, one
    entry per item kept: item, support, documents that these sentences are of, G2 and p (as in `statistics`), q
    (Benjamini-Hochberg over all that are tested, p = 1 for those that the set lacks), and how many these are.
    """
    k = len(members)
    found = np.empty(len(counts), np.int32)
    n = 0
    for member in np.sort(members):
        for place in range(starts[member], starts[member + 1]):
            item = items[place]
            if counts[item] == 0:
                found[n] = item
                n += 1
                latest[item] = -1
                documents[item] = 0
            counts[item] += 1
            if latest[item] != document[member]:
                latest[item] = document[member]
                documents[item] += 1
    for item in np.flatnonzero(always):
        if counts[item] == 0:
            found[n] = item
            n += 1
            documents[item] = 0
    g2, p = np.empty(n), np.empty(n)
    rank = np.zeros(len(tested), np.int64)
    for i in range(n):
        item = found[i]
        n_with, whole = counts[item], corpus_support[item]
        g2[i] = log_likelihood_ratio(n_with, k, whole, n_sentences)
        if not is_rare(k, whole, n_sentences):
            p[i] = math.erfc(math.sqrt(g2[i] / 2))
        elif whole < len(exact) and n_with < EXACT_SUPPORTS:
            if math.isnan(exact[whole, n_with]):
                exact[whole, n_with] = exact_p(n_with, k, whole, n_sentences)
            p[i] = exact[whole, n_with]
        else:
            p[i] = exact_p(n_with, k, whole, n_sentences)
        rank[family[item]] += 1
    q = np.empty(n)
    least = np.ones(len(tested))  # items that are not found have a p of 1: the highest ranks
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
    return found, support, documents[found], g2[:kept].copy(), p[:kept].copy(), q[:kept].copy(), size


@compiled(nogil=True)
def rank_sums(ranks: Floats, sampled: Longs, starts: Longs, items: Ints, wanted: Ints, sums: Floats) -> Floats:
    """Return the sums of a neuron's ranks over the sampled sentences with each of some items, [wanted].

    ranks, sampled: [n], the sampled sentences' ranks and their places. sums: [items] zeros, and zeros again afterwards.
    """
    for i in range(len(sampled)):
        for place in range(starts[sampled[i]], starts[sampled[i] + 1]):
            sums[items[place]] += ranks[i]
    found = sums[wanted]
    sums[:] = 0
    return found


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
