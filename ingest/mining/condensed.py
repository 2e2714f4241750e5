"""Closed and generator patterns, found by the `prefixspan` package, one set at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.mining.encoding import EncodedSentences
from nwh.ingest.mining.patterns import Mined, minimum_count
from nwh.warehouse.errors import UsageError

CONDENSED = ("closed", "generator")


def check_installed() -> None:
    """Raise UsageError, saying how to get it, where the package is missing."""
    try:
        import prefixspan  # noqa: F401
    except ImportError as error:
        raise UsageError("--closed and --generator need the prefixspan package: pip install prefixspan") from error


def keep(
    mined: Mined, corpus: EncodedSentences, sets: Sequence[NDArray[np.integer]], which: str, min_support: float
) -> Mined:
    """Return the rows of `mined` whose patterns are `closed` or `generator` in their set.

    Closed: no longer pattern has the same support. Generator: no shorter one, by leaving items out, has.
    `mined` must be of the same sets and minimum support, without a gap limit.
    """
    from prefixspan import PrefixSpan

    spelled = mined.patterns.matrix()
    longest = spelled.shape[1]
    kept = np.zeros(len(mined.pattern), bool)
    bounds = np.searchsorted(mined.set_index, np.arange(len(sets) + 1))
    for i, members in enumerate(sets):
        lists = [corpus.item[corpus.bounds[s] : corpus.bounds[s + 1]].tolist() for s in members]
        miner = PrefixSpan(lists)
        miner.maxlen = max(longest, 1)
        found = miner.frequent(minimum_count(min_support, len(members)), **{which: True})
        wanted = {tuple(pattern) for _, pattern in found}
        for row in range(bounds[i], bounds[i + 1]):
            codes = spelled[mined.pattern[row]]
            kept[row] = tuple(codes[codes >= 0].tolist()) in wanted
    return Mined(
        mined.patterns, mined.set_index[kept], mined.pattern[kept], mined.support[kept], mined.support_first[kept]
    )
