"""Sentences of nearly the same text, folded below the first of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

_CHANGED = 0.2
"""Share of the words of the longer sentence that may be left out, put in or replaced."""


def fold(sentences: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first sentence of each text, with the others of nearly the same text as `same`.

    Nearly the same: equal but for case, numbers and blanks, or with a fifth of the words changed (edit distance).
    """
    heads: list[dict[str, Any]] = []
    words_of: list[list[str]] = []
    for sentence in sentences:
        words = re.sub(r"\d+", "0", sentence["text"].casefold()).split()
        holder = next((i for i, others in enumerate(words_of) if _alike(words, others)), None)
        if holder is None:
            heads.append({**sentence, "same": []})
            words_of.append(words)
        else:
            heads[holder]["same"].append(sentence)
    return heads


def _alike(one: list[str], other: list[str]) -> bool:
    if one == other:
        return True
    longer = max(len(one), len(other))
    most = int(_CHANGED * longer)
    if abs(len(one) - len(other)) > most:
        return False
    shared = sum((Counter(one) & Counter(other)).values())  # the distance is at least what this leaves
    return longer - shared <= most and _distance(one, other) <= most


def _distance(one: list[str], other: list[str]) -> int:
    """Return the words to leave out, put in or replace to make one sentence of another (Levenshtein 1966)."""
    before = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        now = [i]
        for j, beside in enumerate(other, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (word != beside)))
        before = now
    return before[-1]
