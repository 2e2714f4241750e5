"""Word and tag patterns of many neurons: seconds, against calling the `prefixspan` package per neuron.

    NWH_TEST_DATA=../shared/data python -m tests.benchmarks.bench_prefixspan [--runs 3] [--neurons 2304]

Brown, words split by a regular expression; tags are the gold ones of the Penn Treebank sample. The sets stand
for neurons: a third are random sentences, a third lean to long ones, a third have 500 sentences with one word
among them (as far as it has so many). Ours mines in blocks of 384 sets as a job does, layer by layer, and
counts every distinct pattern in the whole corpus and both halves; the package is timed on the first sets of
the same run, without any corpus supports, and scaled. The encoding of the corpus is in our seconds.
"""

import argparse
import os
import re
import resource
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl
import pyarrow as pa
from prefixspan import PrefixSpan

from nwh.ingest.annotation.trees import clean, read_trees
from nwh.ingest.patterns.mining.encoding import EncodedSentences, encode
from nwh.ingest.patterns.mining.patterns import Mined, Rules, count, mine

DATA = Path(os.environ.get("NWH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
BLOCK = 384


def brown() -> tuple[pa.Array, pa.Array]:
    texts = pl.read_parquet(DATA / "corpora/brown.parquet")["text"]
    sentences = (part for text in texts for part in re.split(r"(?<=[.!?;])\s+", text) if part.strip())
    words = pa.array([re.findall(r"\w+(?:'\w+)?|[^\w\s]", sentence) for sentence in sentences])
    return words, words


def treebank_tags() -> tuple[pa.Array, pa.Array]:
    with (DATA / "trees/wsj.mrg").open(encoding="utf-8") as lines:
        trees = [clean(tree) for _, tree in read_trees(lines, "wsj.mrg")]
    return pa.array([tree.tags for tree in trees]), pa.array([tree.words for tree in trees])


def draw_sets(corpus: EncodedSentences, n: int, k: int, seed: int) -> list[np.ndarray]:
    draw, size = np.random.default_rng(seed), np.diff(corpus.bounds)
    sentence_of = np.repeat(np.arange(len(corpus)), size)
    sets = []
    for i in range(n):
        has = np.empty(0, int)
        if i % 3 == 2:
            word = draw.integers(min(20, len(corpus.items) - 1), min(3000, len(corpus.items)))
            has = draw.permutation(np.unique(sentence_of[corpus.item == word]))[: k // 2]
        chance = (size + 1.0) if i % 3 == 1 else np.ones(len(corpus))
        chance[has] = 0
        others = draw.choice(len(corpus), k - len(has), replace=False, p=chance / chance.sum())
        sets.append(np.concatenate([has, others]))
    return sets


def rows_of(mined: Mined, name: int) -> dict[tuple[int, ...], int]:
    these, spelled = mined.set_index == name, mined.patterns.matrix()
    patterns = (tuple(int(c) for c in spelled[p] if c >= 0) for p in mined.pattern[these])
    return dict(zip(patterns, mined.support[these].tolist(), strict=True))


def one_run(texts, neurons: int, k: int, share: float, by_package: int, seed: int) -> tuple[float, ...]:
    start = perf_counter()
    corpus = encode(*texts)
    encoding = perf_counter() - start
    sets = draw_sets(corpus, neurons, k, seed)
    first = np.random.default_rng(seed).random(len(corpus)) < 0.5
    ours, rows, head = encoding, 0, None
    for at in range(0, neurons, BLOCK):
        start = perf_counter()
        mined = mine(corpus, sets[at : at + BLOCK], Rules(share), first)
        count(corpus, mined.patterns, Rules(share), first)
        ours += perf_counter() - start
        rows += len(mined.support)
        head = head or mined
    lists = [corpus.item[a:b].tolist() for a, b in zip(corpus.bounds[:-1], corpus.bounds[1:], strict=True)]
    package = 0.0
    for name in range(by_package):
        miner = PrefixSpan([lists[s] for s in sets[name]])
        miner.maxlen = 3
        start = perf_counter()
        found = miner.frequent(share * k)
        package += perf_counter() - start
        assert rows_of(head, name) == {tuple(pattern): support for support, pattern in found}, name
    theirs = package / by_package * neurons
    return ours, theirs, theirs / ours, rows / neurons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--neurons", type=int, default=2304)
    options = parser.parse_args()
    words, tags = brown(), treebank_tags()
    one_run(words, 2, 100, 0.5, 1, 0)  # compiles
    print(f"{len(words[0])} sentences of Brown; medians of {options.runs} runs")
    print(f"{'':34}{'ours s':>9}{'package s':>11}{'ratio':>7}{'rows/neuron':>13}")
    n = options.neurons
    for name, texts, neurons, k, share, by_package in (
        (f"words, K 1,000, 1 %, {n:,} neurons", words, n, 1_000, 0.01, 20),
        (f"words, K 10,000, 1 %, {n // 6:,} neurons", words, n // 6, 10_000, 0.01, 3),
        (f"tags, K 1,000, 1 %, {n // 6:,} neurons", tags, n // 6, 1_000, 0.01, 3),
    ):
        runs = [one_run(texts, neurons, k, share, by_package, seed) for seed in range(options.runs)]
        ours, theirs, ratio, rows = (median(column) for column in zip(*runs, strict=True))
        print(f"{name:34}{ours:9.2f}{theirs:11.0f}{ratio:7.0f}{rows:13.0f}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
