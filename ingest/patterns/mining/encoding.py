"""Frequent (skip) n-grams: sentences as arrays of item ids, with what mining needs of each computed once.

A pattern is a list of items that stand in a sentence in that order, with other items between them; its support is the
number of sentences that have it. Patterns and supports are those of PrefixSpan (Pei et al. 2001).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled
from nwh.ingest.patterns.mining.patterns import Count, Patterns, Rules
from nwh.ingest.patterns.mining.sequence_kernels import Items, count_patterns, mine_set, restrict
from nwh.ingest.patterns.mining.supports import I32, I64, Rows
from nwh.warehouse.errors import SourceError

Lists: TypeAlias = Any  # pyarrow Array or ChunkedArray of lists of text


@dataclass(frozen=True)
class EncodedSentences:
    """S sentences of N items in all; sentence s is `bounds[s]:bounds[s + 1]` of the arrays over items.

    `item` (N,) is an index into `items` (their text, most frequent first). `previous` (N,) is the position in
    the sentence, from 0, where the same item stood last before (-1 for its first occurrence); `last` (N,)
    tells whether the item does not come again in the sentence.
    """

    items: list[str]
    item: I32
    bounds: I64
    previous: I32
    last: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @classmethod
    def of_ids(cls, items: list[str], item: I32, bounds: I64) -> "EncodedSentences":
        """Return sentences given as item ids, `item` (N,) with `bounds` (S + 1,)."""
        item = np.array(item, np.int32)
        bounds = np.array(bounds, np.int64)
        return cls(items, item, bounds, *_neighbours(item, bounds, len(items)))

    def mine(self, members: I64, weight: I64, least: tuple[int, int], rules: Rules) -> Rows:
        """Return the n-grams of a set: see `patterns.Corpus`."""
        return mine_set(self._arrays, weight, members, len(self.items), least, rules.max_length, _gap(rules))

    def counter(self, patterns: Patterns, rules: Rules) -> Count:
        """Return what counts the sentences with each n-gram: see `patterns.Corpus`."""
        used = np.unique(patterns.code)
        code_of = np.full(len(self.items), -1, np.int32)
        code_of[used] = np.arange(len(used), dtype=np.int32)
        trie = (code_of[patterns.code], patterns.child_bounds(), int(patterns.length.max()), _gap(rules))

        def count(members: I64, weight: I64) -> I64:
            return count_patterns(restrict(self._arrays, weight, members, code_of), len(used), *trie)

        return count

    def texts(self, patterns: Patterns) -> pa.ListArray:
        """Return n-grams as lists of their items."""
        codes = patterns.matrix()
        offsets = np.concatenate([[0], np.cumsum(patterns.length, dtype=np.int64)]).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(self.items, pa.string()).take(pa.array(codes[codes >= 0])))

    @property
    def _arrays(self) -> Items:
        return Items(self.item, self.bounds, self.previous, self.last)


def _gap(rules: Rules) -> int:
    return -1 if rules.max_gap is None else rules.max_gap


def encode(items: Lists, words: Lists) -> EncodedSentences:
    """Encode lists of text: `items` are the words or tags of each sentence, `words` its words, list for list.

    A position whose word has no letter or digit is left out, for words and tags alike. A null list
    is a sentence without items. Raises SourceError where a sentence has not as many items as words.
    """
    n_items, n_words = _lengths(items), _lengths(words)
    if len(n_items) != len(n_words) or (n_items != n_words).any():
        odd = np.flatnonzero(n_items != n_words)[0] if len(n_items) == len(n_words) else "count"
        raise SourceError(
            f"not as many tags as words (sentence {odd}): run `nwh ingest annotations` again for the corpus"
        )
    spelling, word = _coded(words)
    is_item = np.array([any(map(str.isalnum, text or "")) for text in spelling], bool)
    keep = is_item[word]
    texts, ids = _coded(items)
    ids = ids[keep]
    # frequent items get neighbouring ids: the counters in use stay in the cache
    frequency = np.bincount(ids, minlength=len(texts))
    order = np.argsort(-frequency, kind="stable")
    order = order[frequency[order] > 0]
    rank = np.empty(len(texts), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    bounds = kept_before[np.concatenate([[0], np.cumsum(n_items)])]
    return EncodedSentences.of_ids([texts[i] for i in order], rank[ids], bounds)


def _lengths(lists: Lists) -> I64:
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0), np.int64)


def _coded(lists: Lists) -> tuple[list[str], I64]:
    """Return the distinct texts of the lists, and all their elements as indices into them."""
    texts = pc.list_flatten(lists)
    coded = pc.dictionary_encode(texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts, "encode")
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


@compiled()
def _neighbours(item: I32, bounds: I64, n_items: int) -> tuple[I32, NDArray[np.bool_]]:
    """Return (previous, last) of EncodedSentences."""
    previous = np.full(len(item), -1, np.int32)
    last = np.ones(len(item), np.bool_)
    seen_at = np.full(n_items, -1, np.int64)
    for s in range(len(bounds) - 1):
        for j in range(bounds[s], bounds[s + 1]):
            before = seen_at[item[j]]
            if before >= bounds[s]:
                previous[j] = before - bounds[s]
                last[before] = False
            seen_at[item[j]] = j
    return previous, last
