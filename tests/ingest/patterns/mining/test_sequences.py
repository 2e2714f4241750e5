import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.patterns.mining import patterns
from nwh.ingest.patterns.mining.encoding import EncodedSentences, encode
from nwh.ingest.patterns.mining.patterns import Rules, count, mine
from nwh.warehouse.errors import UsageError


def corpus_of(sentences):
    bounds = np.concatenate([[0], np.cumsum([len(s) for s in sentences])]).astype(np.int64)
    items = np.array([i for s in sentences for i in s], np.int32)
    return EncodedSentences.of_ids([str(i) for i in range(max(items, default=0) + 1)], items, bounds)


def rows_of(mined, name=0):
    """{pattern: support} of one set."""
    spelled = mined.patterns.matrix()
    these = mined.set_index == name
    patterns = [tuple(int(c) for c in spelled[p] if c >= 0) for p in mined.pattern[these]]
    rows = dict(zip(patterns, mined.support[these].tolist(), strict=True))
    assert len(rows) == len(patterns)
    return rows


def package_rows(sentences, least, max_length):
    prefixspan = pytest.importorskip("prefixspan", reason="the prefixspan package is not installed")
    miner = prefixspan.PrefixSpan(sentences)
    miner.maxlen = max_length
    return {tuple(pattern): support for support, pattern in miner.frequent(least)}


def brute_force(sentence, max_length, max_gap):
    """Every pattern of one sentence, by trying all positions."""
    limit = len(sentence) if max_gap is None else max_gap
    return {
        tuple(sentence[i] for i in places)
        for n in range(1, max_length + 1)
        for places in combinations(range(len(sentence)), n)
        if all(b - a - 1 <= limit for a, b in pairwise(places))
    }


corpora = st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=12)


@given(corpora, st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=100)
def test_patterns_and_supports_are_those_of_the_package(sentences, least, max_length):
    least = min(least, len(sentences))
    mined = mine(corpus_of(sentences), [np.arange(len(sentences))], Rules(least / len(sentences), max_length))
    assert rows_of(mined) == package_rows(sentences, least, max_length)


@given(corpora, st.integers(1, 4), st.sampled_from([None, 0, 1, 2, 4]), st.data())
@settings(max_examples=100)
def test_sets_halves_and_corpus_supports_are_those_of_brute_force(sentences, max_length, max_gap, data):
    n = len(sentences)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    sets = [np.flatnonzero(data.draw(flags)) for _ in range(3)]
    first = np.array(data.draw(flags))
    corpus, found = corpus_of(sentences), [brute_force(s, max_length, max_gap) for s in sentences]
    rules = Rules(0.4, max_length, max_gap)
    mined = mine(corpus, sets, rules, first, threads=1)
    supports = count(corpus, mined.patterns, rules, first)
    spelled = [tuple(int(c) for c in row if c >= 0) for row in mined.patterns.matrix()]
    for name, members in enumerate(sets):
        every = {p for s in members for p in found[s]}
        support = {p: sum(p in found[s] for s in members) for p in every}
        in_first = {p: sum(p in found[s] for s in members if first[s]) for p in every}
        n_first = sum(first[members])
        frequent = {
            p for p, c in support.items() if c / len(members) >= 0.4 or (n_first and in_first[p] / n_first >= 0.4)
        }
        assert rows_of(mined, name) == {p: support[p] for p in frequent}
    for name, pattern, in_first in zip(mined.set_index, mined.pattern, mined.support_first, strict=True):
        assert in_first == sum(spelled[pattern] in found[s] for s in sets[name] if first[s])
    for i, pattern in enumerate(spelled):
        assert supports.support[i] == sum(pattern in found[s] for s in range(n))
        assert supports.support_first[i] == sum(pattern in found[s] for s in range(n) if first[s])


def test_real_sentences_give_the_rows_of_the_package(brown_words):
    words = pa.array(brown_words)
    corpus = encode(words, words)
    lists = [corpus.item[a:b].tolist() for a, b in zip(corpus.bounds, corpus.bounds[1:], strict=False)]
    draw = np.random.default_rng(0)
    has_he = np.flatnonzero([corpus.items.index("he") in s for s in lists])
    sets = [
        draw.choice(len(corpus), 1000, replace=False),
        has_he[:700],
        np.argsort([-len(s) for s in lists])[:300],
    ]
    mined = mine(corpus, sets, Rules(0.02, max_length=3))
    for name, members in enumerate(sets):
        expected = package_rows([lists[s] for s in members], 0.02 * len(members), 3)
        assert len(expected) > 300
        assert rows_of(mined, name) == expected


def test_results_do_not_depend_on_threads_chunks_or_the_block(monkeypatch):
    draw = np.random.default_rng(1)
    corpus = corpus_of([draw.integers(0, 8, draw.integers(0, 15)).tolist() for _ in range(200)])
    sets = [draw.choice(200, 50, replace=False) for _ in range(9)]
    block = mine(corpus, sets, Rules(0.2), threads=3)
    for name in range(9):
        alone = mine(corpus, [sets[name]], Rules(0.2), threads=1)
        assert rows_of(alone) == rows_of(block, name)
    whole = count(corpus, block.patterns, Rules(0.2), threads=1)
    monkeypatch.setattr(patterns, "CHUNK", 7)
    assert np.array_equal(count(corpus, block.patterns, Rules(0.2)).support, whole.support)


def test_a_long_sentence_of_frequent_items_is_exact():
    draw = np.random.default_rng(2)
    sentences = [draw.integers(0, 12, 500).tolist() for _ in range(20)]
    mined = mine(corpus_of(sentences), [np.arange(20)], Rules(1, max_length=3))
    assert rows_of(mined) == dict.fromkeys(np.ndindex(12, 12, 12), 20) | dict.fromkeys(
        np.ndindex(12, 12), 20
    ) | dict.fromkeys(np.ndindex(12), 20)


def test_empty_sets_and_sentences_give_no_rows():
    corpus = corpus_of([[], [], [0]])
    mined = mine(corpus, [np.array([], np.int64), np.array([0, 1])], Rules())
    assert len(mined.support) == len(mined.patterns) == 0
    assert len(count(corpus, mined.patterns, Rules()).support) == 0
    assert len(mine(corpus, [], Rules()).support) == 0
    one = mine(corpus, [np.array([2])], Rules())
    assert count(corpus, one.patterns, Rules()).support.tolist() == [1]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"min_support": 0}, "minimum support 0"),
        ({"max_length": 0}, "--max-length must be at least 1"),
        ({"max_gap": -1}, "--max-gap must be at least 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(setting, says):
    with pytest.raises(UsageError, match=says):
        Rules(**setting)


def test_memory_is_that_of_the_sets_in_work_not_of_the_block():
    script = """
import resource, sys
import numpy as np
from nwh.ingest.patterns.mining.encoding import EncodedSentences
from nwh.ingest.patterns.mining.patterns import Rules, count, mine
draw = np.random.default_rng(0)
items = (draw.zipf(1.3, 30_000 * 25) % 20_000).astype(np.int32)
corpus = EncodedSentences.of_ids([""] * 20_000, items, np.arange(0, len(items) + 1, 25))
def run(n):
    sets = [draw.choice(30_000, 10_000, replace=False) for _ in range(n)]
    count(corpus, mine(corpus, sets, Rules(0.02)).patterns, Rules(0.02))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = run(3)
print(few, run(30))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=True,
    )
    few, many = map(int, done.stdout.split())
    assert many < few * 1.1 + 10_000  # kilobytes; the sets themselves are 2.4 MB
