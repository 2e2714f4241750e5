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

REMEMBERED = 32
"""Supports whose tests are remembered, for each corpus support: most items are rare, and share their table."""


@compiled(nogil=True)
def tested_items(
    members: Ints,
    starts: Longs,
    items: Ints,
    family: Ints,
    tested: Longs,
    corpus_support: Longs,
    n_sentences: int,
    always: NDArray[np.bool_],
    floor: int,
    document: Ints,
    seen: Longs,
    tests: Floats,
    slots: Ints,
) -> tuple[Ints, Ints, Ints, Floats, Floats, Floats, Ints]:
    """Count and test the items of a set of sentences; return those with at least `floor`, and all of `always`.

    members: [k] sentences. document: number of each sentence's document. family, corpus_support and always: [items].
    tested: items of each family that the corpus has. seen: [items, 3], each 0, 0, -1, and so again afterwards: its
    sentences, their documents, the latest of these. tests: G2 and p by corpus support and support,
    [rows, REMEMBERED, 2], nan where not computed yet for this k; slots: [rows, REMEMBERED], -1, and so again
    afterwards. Returned, one entry per item kept: item, support, documents that these sentences are of, G2 and p (as in
    `statistics`), q (Benjamini-Hochberg over all that are tested, p = 1 for those that the set lacks), and how many
    these are.
    """
    k = len(members)
    found = np.empty(len(seen) + 1, np.int32)
    n = 0
    for member in np.sort(members):
        of = document[member]
        for place in range(starts[member], starts[member + 1]):
            item = items[place]
            found[n] = item  # without branches: which items are new cannot be foreseen
            n += seen[item, 0] == 0
            seen[item, 0] += 1
            seen[item, 1] += seen[item, 2] != of
            seen[item, 2] = of
    for item in np.flatnonzero(always):
        found[n] = item
        n += seen[item, 0] == 0
    table = np.empty(n, np.int32)  # items of equal supports have the same, which is tested and sorted once
    g2, p = np.empty(n), np.empty(n)
    n_tables = 0
    for i in range(n):
        support, whole = seen[found[i], 0], corpus_support[found[i]]
        if whole < len(slots) and support < REMEMBERED:
            if slots[whole, support] == -1:
                if math.isnan(tests[whole, support, 0]):
                    tests[whole, support, 0], tests[whole, support, 1] = _test(support, k, whole, n_sentences)
                g2[n_tables], p[n_tables] = tests[whole, support, 0], tests[whole, support, 1]
                slots[whole, support] = n_tables
                n_tables += 1
            table[i] = slots[whole, support]
        else:
            g2[n_tables], p[n_tables] = _test(support, k, whole, n_sentences)
            table[i] = n_tables
            n_tables += 1
    items_of = np.zeros((n_tables, len(tested)), np.int32)
    rank = np.zeros(len(tested), np.int64)
    for i in range(n):
        of = family[found[i]]
        items_of[table[i], of] += 1
        rank[of] += 1
    q = np.ones((n_tables, len(tested)))
    least = np.ones(len(tested))  # items that are not found have a p of 1: the highest ranks
    for at in np.argsort(p[:n_tables])[::-1]:
        for of in range(len(tested)):
            if items_of[at, of]:
                least[of] = min(least[of], p[at] * tested[of] / rank[of])
                rank[of] -= items_of[at, of]
                q[at, of] = least[of]
    kept, support = np.empty(n, np.int32), np.empty(n, np.int32)
    documents, size, q_of = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n)
    n_kept = 0
    for i in range(n):
        item, of, n_with, whole = found[i], family[found[i]], seen[found[i], 0], corpus_support[found[i]]
        if whole < len(slots) and n_with < REMEMBERED:
            slots[whole, n_with] = -1
        if n_with >= floor or always[item]:
            kept[n_kept], support[n_kept], documents[n_kept] = i, n_with, seen[item, 1]
            size[n_kept], q_of[n_kept] = tested[of], q[table[i], of]
            n_kept += 1
        seen[item, 0], seen[item, 1], seen[item, 2] = 0, 0, -1
    kept = kept[:n_kept]
    of_table = table[kept]
    return found[kept], support[:n_kept], documents[:n_kept], g2[of_table], p[of_table], q_of[:n_kept], size[:n_kept]


@compiled(nogil=True)
def _test(support: int, k: int, corpus_support: int, n: int) -> tuple[float, float]:
    """Return G2 and p of an item."""
    g2 = log_likelihood_ratio(support, k, corpus_support, n)
    p = exact_p(support, k, corpus_support, n) if is_rare(k, corpus_support, n) else math.erfc(math.sqrt(g2 / 2))
    return g2, p


@compiled(nogil=True)
def rank_sums(ranks: Floats, sampled: Longs, starts: Longs, items: Ints, n_items: int) -> Floats:
    """Return the sums of a neuron's ranks over the sampled sentences with each item, [items].

    ranks, sampled: [n], the sampled sentences' ranks and their places.
    """
    sums = np.zeros(n_items)
    for i in range(len(sampled)):
        for place in range(starts[sampled[i]], starts[sampled[i] + 1]):
            sums[items[place]] += ranks[i]
    return sums


@compiled(nogil=True)
def log_likelihood_ratio(support: int, k: int, corpus_support: int, n: int) -> float:
    """Return Dunning's G2 of a set of k of n sentences against the others, with against without an item."""
    total = 0.0
    for row, with_item in ((k, support), (n - k, corpus_support - support)):
        for column, cell in ((corpus_support, with_item), (n - corpus_support, row - with_item)):
            if cell > 0:
                total += cell * math.log(cell / (row * (column / n)))
    return max(0.0, 2 * total)


@compiled(nogil=True)
def sums(members: Ints, bounds: Longs, amounts: Ints) -> Longs:
    """Return the sums of amounts, [sentences, F], over sets of sentences, [sets, F].

    The members of set i are `members[bounds[i]:bounds[i + 1]]`.
    """
    total = np.zeros((len(bounds) - 1, amounts.shape[1]), np.int64)
    for i in range(len(bounds) - 1):
        for member in members[bounds[i] : bounds[i + 1]]:
            for j in range(amounts.shape[1]):
                total[i, j] += amounts[member, j]
    return total
