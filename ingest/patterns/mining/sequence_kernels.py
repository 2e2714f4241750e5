"""Compiled loops of sequence mining: PrefixSpan (Pei et al. 2001) and the counting of given patterns.

Both walk prefixes depth first. A prefix is held as its projection: positions where an occurrence of it ends.
Without a gap limit the leftmost end in each sentence is enough; with one, every end is kept. A position
belongs to the projection of one extension only, so the projections of one level never take more room than the
sentences.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.compiling import compiled
from nwh.ingest.patterns.mining.supports import I32, I64, WHOLE, Rows, by_code, grown, is_frequent


class Items(NamedTuple):
    """The items of all sentences: the arrays of `EncodedSentences`."""

    item: I32
    bounds: I64
    previous: I32
    last: NDArray[np.bool_]


class Sentences(NamedTuple):
    """`n` positions of some sentences, side by side, with nothing but the items in use.

    Per position: `code` of the item; `place` in the whole sentence, and `before`, the place of the same item
    before it (-1: none); `sentence`; `last_after`, where the last occurrences after it begin. Per sentence:
    `stop` of its positions, `last_stop` of its last occurrences, `gain`: what it adds to a packed support.
    `last_code` are the items of the last occurrences alone, in order: what can still follow a position is one
    stretch of it.
    """

    code: I32
    place: I32
    before: I32
    sentence: I32
    stop: I32
    gain: I64
    last_code: I32
    last_after: I32
    last_stop: I32


@compiled(nogil=True)
def restrict(items: Items, weight: I64, members: I64, code_of: I32) -> Sentences:
    """Return the sentences `members` with the items that have a code (`code_of` >= 0)."""
    item, bounds, previous, last = items
    n = 0
    for s in members:
        for j in range(bounds[s], bounds[s + 1]):
            n += code_of[item[j]] >= 0
    code, place, before = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    sentence, last_code, last_after = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    stop, last_stop = np.empty(len(members), np.int32), np.empty(len(members), np.int32)
    at = n_last = 0
    for i in range(len(members)):
        s = members[i]
        for j in range(bounds[s], bounds[s + 1]):
            here = code_of[item[j]]
            if here < 0:
                continue
            code[at] = here
            place[at] = j - bounds[s]
            before[at] = previous[j]
            sentence[at] = i
            if last[j]:
                last_code[n_last] = here
                n_last += 1
            last_after[at] = n_last
            at += 1
        stop[i] = at
        last_stop[i] = n_last
    gain = weight[members]
    return Sentences(code, place, before, sentence, stop, gain, last_code, last_after, last_stop)


@compiled(nogil=True)
def _ends_of_items(text: Sentences, max_gap: int, n_codes: int) -> tuple[I32, I32]:
    """Return the projections of the single items: positions grouped by item, and the bounds of the groups."""
    return by_code(text.code if max_gap >= 0 else np.where(text.before < 0, text.code, np.int32(-1)), n_codes)


@compiled(nogil=True)
def _count_freely(text: Sentences, ends: I32, target: I32, support: I64) -> None:
    """Add up the supports of the extensions c with `target[c]` >= 0, at `target[c]`; no gap limit."""
    for e in ends:
        s = text.sentence[e]
        for i in range(text.last_after[e], text.last_stop[s]):
            t = target[text.last_code[i]]
            if t >= 0:
                support[t] += text.gain[s]


@compiled(nogil=True)
def _count_within(
    text: Sentences, ends: I32, max_gap: int, target: I32, support: I64, n_ends: I32, seen_in: I32
) -> None:
    """The same under a gap limit, with the number of ends of each extension."""
    reached = -1
    for e in ends:
        s = text.sentence[e]
        for j in range(max(e, reached) + 1, text.stop[s]):
            if text.place[j] - text.place[e] > max_gap + 1:
                break
            reached = j
            t = target[text.code[j]]
            if t >= 0:
                n_ends[t] += 1
                if seen_in[t] != s:
                    seen_in[t] = s
                    support[t] += text.gain[s]


@compiled(nogil=True)
def _project(text: Sentences, ends: I32, max_gap: int, slot: I32, into: I32) -> None:
    """Write the ends of every extension c with `slot[c]` >= 0 into `into` from `slot[c]` on, which moves."""
    reached = -1
    for e in ends:
        s = text.sentence[e]
        if max_gap < 0:
            for j in range(e + 1, text.stop[s]):
                c = text.code[j]
                if text.before[j] <= text.place[e] and slot[c] >= 0:
                    into[slot[c]] = j
                    slot[c] += 1
        else:
            # windows of neighbouring ends overlap: each position is taken once
            for j in range(max(e, reached) + 1, text.stop[s]):
                if text.place[j] - text.place[e] > max_gap + 1:
                    break
                reached = j
                c = text.code[j]
                if slot[c] >= 0:
                    into[slot[c]] = j
                    slot[c] += 1


@compiled(nogil=True)
def mine_set(
    items: Items, weight: I64, members: I64, n_items: int, least: tuple[int, int], max_length: int, max_gap: int
) -> Rows:
    """Return the patterns of the sentences `members` that are frequent: `least` are their `minimum_counts`.

    `max_gap` is the largest number of items between two neighbours of a pattern, -1 for no limit.
    """
    single = np.zeros(n_items, np.int64)
    for s in members:
        for j in range(items.bounds[s], items.bounds[s + 1]):
            if items.previous[j] < 0:
                single[items.item[j]] += weight[s]
    item_of = np.flatnonzero(is_frequent(single, least)).astype(np.int32)
    n_codes = len(item_of)
    code_of = np.full(n_items, -1, np.int32)
    code_of[item_of] = np.arange(n_codes).astype(np.int32)
    text = restrict(items, weight, members, code_of)

    rows = np.empty((max(4 * n_codes, 64), 3), np.int32)
    supports = np.empty(len(rows), np.int64)
    n_rows = n_codes
    rows[:n_rows, 0], rows[:n_rows, 1], rows[:n_rows, 2] = item_of, -1, 1
    supports[:n_rows] = single[item_of]

    # per level (length of the prefixes less one): prefixes by their last code, their row, the bounds of their
    # projections; and which of them is next
    prefix = np.empty((max_length, n_codes), np.int32)
    row_of = np.empty((max_length, n_codes), np.int32)
    start = np.zeros((max_length, n_codes + 1), np.int32)
    n_prefixes, following = np.zeros(max_length, np.int32), np.zeros(max_length, np.int32)
    ends = np.empty((max_length, len(text.code)), np.int32)
    first_ends, start[0] = _ends_of_items(text, max_gap, n_codes)
    ends[0, : len(first_ends)] = first_ends
    n_prefixes[0] = n_codes
    prefix[0] = row_of[0] = every = np.arange(n_codes).astype(np.int32)

    support, slot = np.empty(n_codes, np.int64), np.empty(n_codes, np.int32)
    n_ends, seen_in = np.empty(n_codes, np.int32), np.empty(n_codes, np.int32)
    level = 0 if max_length > 1 else -1
    while level >= 0:
        i = following[level]
        if i == n_prefixes[level]:
            level -= 1
            continue
        following[level] += 1
        here = ends[level, start[level, i] : start[level, i + 1]]
        support[:] = 0
        if max_gap < 0:
            _count_freely(text, here, every, support)
            # p b c frequent makes p c frequent: only the siblings of b can follow (not so under a gap limit)
            candidates = prefix[level, : n_prefixes[level]]
        else:
            n_ends[:] = 0
            seen_in[:] = -1
            _count_within(text, here, max_gap, every, support, n_ends, seen_in)
            candidates = every
        if n_rows + n_codes > len(rows):
            rows, supports = grown(rows, supports, 2 * (n_rows + n_codes))
        deeper, found = level + 1, 0
        for c in candidates:
            if is_frequent(support[c], least):
                rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = item_of[c], row_of[level, i], deeper + 1
                supports[n_rows] = support[c]
                prefix[deeper, found], row_of[deeper, found] = c, n_rows
                start[deeper, found + 1] = start[deeper, found] + ((support[c] & WHOLE) if max_gap < 0 else n_ends[c])
                found += 1
                n_rows += 1
        if found and deeper + 1 < max_length:
            slot[:] = -1
            for f in range(found):
                slot[prefix[deeper, f]] = start[deeper, f]
            _project(text, here, max_gap, slot, ends[deeper])
            n_prefixes[deeper], following[deeper] = found, 0
            level = deeper
    return rows[:n_rows].copy(), supports[:n_rows].copy()


@compiled(nogil=True)
def count_patterns(
    text: Sentences, n_codes: int, trie_code: I32, child_bounds: I64, max_length: int, max_gap: int
) -> I64:
    """Return the packed supports (P,) of all patterns of a trie; its codes are those of `text`.

    `child_bounds` is that of `Patterns`.
    """
    total = np.zeros(len(trie_code), np.int64)
    n_roots = child_bounds[1]
    # per level: nodes of the trie, the bounds of their projections; and which of them is next
    nodes = np.empty((max_length, n_codes), np.int32)
    start = np.zeros((max_length, n_codes + 1), np.int32)
    n_nodes, following = np.zeros(max_length, np.int32), np.zeros(max_length, np.int32)
    ends = np.empty((max_length, len(text.code)), np.int32)
    first_ends, first_start = _ends_of_items(text, max_gap, n_codes)

    target, slot = np.full(n_codes, -1, np.int32), np.full(n_codes, -1, np.int32)
    support = np.empty(n_codes, np.int64)
    n_ends, seen_in = np.empty(n_codes, np.int32), np.empty(n_codes, np.int32)
    for root in range(n_roots):
        c = trie_code[root]
        here = first_ends[first_start[c] : first_start[c + 1]]
        counted = -1
        for e in here:
            if text.sentence[e] != counted:
                counted = text.sentence[e]
                total[root] += text.gain[counted]
        ends[0, : len(here)] = here
        nodes[0, 0], start[0, 1] = root, len(here)
        n_nodes[0], following[0] = 1, 0
        level = 0
        while level >= 0:
            i = following[level]
            if i == n_nodes[level]:
                level -= 1
                continue
            following[level] += 1
            node = nodes[level, i]
            low, high = child_bounds[node + 1], child_bounds[node + 2]
            here = ends[level, start[level, i] : start[level, i + 1]]
            if low == high or len(here) == 0:
                continue
            for child in range(low, high):
                target[trie_code[child]] = child - low
            n = high - low
            support[:n] = 0
            n_ends[:n] = 0
            if max_gap < 0:
                _count_freely(text, here, target, support)
            else:
                seen_in[:n] = -1
                _count_within(text, here, max_gap, target, support, n_ends, seen_in)
            deeper, found = level + 1, 0
            for child in range(low, high):
                target[trie_code[child]] = -1
                total[child] = support[child - low]
                size = (support[child - low] & WHOLE) if max_gap < 0 else n_ends[child - low]
                if size and child_bounds[child + 1] < child_bounds[child + 2]:
                    slot[trie_code[child]] = start[deeper, found]
                    nodes[deeper, found] = child
                    start[deeper, found + 1] = start[deeper, found] + size
                    found += 1
            if found:
                _project(text, here, max_gap, slot, ends[deeper])
                for f in range(found):
                    slot[trie_code[nodes[deeper, f]]] = -1
                n_nodes[deeper], following[deeper] = found, 0
                level = deeper
    return total
