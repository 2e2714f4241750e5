"""Subtrees of many neurons: seconds per neuron for mining (FREQT), and for all corpus supports of a block.

    NWH_TEST_DATA=../shared/data python -m tests.benchmarks.bench_freqt [--runs 5]

Gold trees of the Penn Treebank sample; sets of K random trees. The goal is 0.5 s per neuron at K 1,000,
minimum support 2 %, up to 5 nodes. "as 57,000" repeats the sample to the size of Brown, for sets of 10,000
trees.
"""

import argparse
import os
import resource
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from nwh.ingest.annotation.trees import clean, read_trees
from nwh.ingest.patterns.mining.forest import encode_trees
from nwh.ingest.patterns.mining.patterns import Rules, count, mine

DATA = Path(os.environ.get("NWH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
GOAL = 0.5  # seconds per neuron


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    encode_trees(["(S (N a))"])  # compiles
    with (DATA / "trees/wsj.mrg").open(encoding="utf-8") as lines:
        start = perf_counter()
        texts = [clean(tree).to_bracketed() for _, tree in read_trees(lines, "wsj.mrg")]
        read = perf_counter()
        sample = encode_trees(texts)
        encoded = perf_counter()
    print(f"{len(sample)} trees: read in {read - start:.2f} s, encoded in {encoded - read:.2f} s")
    large = encode_trees(texts * 22)
    rules = Rules(0.02, max_length=5)
    count(sample, mine(sample, [np.arange(10)], rules).patterns, rules)
    print(f"medians of {options.runs} runs, 2 threads\n{'':42}{'s/neuron':>10}{'goal/ours':>11}", end="")
    print(f"{'rows/neuron':>13}{'corpus supports s':>19}")
    for name, forest, k, share, n in (
        ("K 1,000, 2 %, one neuron alone", sample, 1_000, 0.02, 1),
        ("K 1,000, 2 %, block of 384", sample, 1_000, 0.02, 384),
        ("K 1,000, 2 %, block of 384, as 57,000", large, 1_000, 0.02, 384),
        ("K 10,000, 2 %, block of 20, as 57,000", large, 10_000, 0.02, 20),
        ("K 1,000, 1 %, block of 96", sample, 1_000, 0.01, 96),
    ):
        runs = []
        for seed in range(options.runs):
            draw = np.random.default_rng(seed)
            sets = [draw.choice(len(forest), k, replace=False) for _ in range(n)]
            start = perf_counter()
            rules = Rules(share, max_length=5)
            mined = mine(forest, sets, rules)
            done = perf_counter()
            count(forest, mined.patterns, rules)
            runs.append(((done - start) / n, len(mined.support) / n, perf_counter() - done))
        each, rows, supports = (median(column) for column in zip(*runs, strict=True))
        print(f"{name:42}{each:10.4f}{GOAL / each:11.0f}{rows:13.0f}{supports:19.2f}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
