"""Bytes per top-K row, time of one neuron's rows with their text, and of the quick commands.

    python -m tests.benchmarks.bench_reading [--neurons 2520] [--k 10000]

Makes a table of realistic shape in a temporary warehouse: 2,520 neurons x 2 poles x K = 10,000 rows (50.4 million)
over 200,000 sentences of Brown's texts repeated; each neuron's activations are normal, its top-K is a random choice
of sentences. Prints the median of 20 warm queries, each for another neuron's 10,000 rows with their text.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice

import numpy as np

from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from tests.benchmarks.corpora import brown_sentences, store_sentences

SENTENCES = 200_000
UNIT = {"model": "generated", "checkpoint": "main", "site": "hidden", "corpus": "brown"}


def fill(warehouse: Warehouse, neurons: int, k: int) -> int:
    """Write the table; return its rows."""
    rng, base, width = np.random.default_rng(0), id_base("brown"), 384
    ranks = np.tile(np.arange(1, k + 1, dtype=np.int32), 2)
    with warehouse.run("activations", UNIT, {}) as run, run.writer("neuron_topk", UNIT) as writer:
        for n in range(neurons):
            values = np.sort(rng.standard_normal(SENTENCES).astype(np.float32))
            ids = rng.permutation(SENTENCES)[: 2 * k] + base
            writer.write(
                {
                    "layer": np.full(2 * k, n // width, np.int16),
                    "neuron": np.full(2 * k, n % width, np.int32),
                    "pole": np.repeat(np.array(["bottom", "top"]), k),
                    "rank": ranks,
                    "sentence_id": ids,
                    "activation": np.concatenate([values[:k], values[: -k - 1 : -1]]),
                    "token_position": np.full(2 * k, None),
                }
            )
    return neurons * 2 * k


def seconds_of(command: list[str], times: int = 7) -> float:
    """Return the median seconds of a command as a process."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Make the table, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=2_520)
    parser.add_argument("--k", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse.create(folder)
        store_sentences(warehouse, "brown", list(islice(cycle(list(brown_sentences())), SENTENCES)))
        rows = fill(warehouse, options.neurons, options.k)
        (uri,) = warehouse.snapshot["neuron_topk"]
        taken = []
        for i in range(25):
            neuron = (i * 97) % options.neurons
            began = time.perf_counter()
            found = warehouse.sql(
                "select rank, activation, text from neuron_sentences where model = 'generated' and site = 'hidden' "
                "and layer = $1 and neuron = $2 and pole = 'top' order by rank",
                [neuron // 384, neuron % 384],
            ).fetchall()
            taken.append(time.perf_counter() - began)
            assert len(found) == options.k
        nwh = [sys.executable, "-m", "nwh", "--warehouse", folder]
        print("| what | figure |\n|---|---:|")
        print(f"| rows | {rows:,} |")
        print(f"| bytes per top-K row on disk | {os.path.getsize(uri) / rows:.2f} |")
        print(f"| one neuron's {options.k:,} rows with text, warm, ms | {1000 * statistics.median(taken[5:]):.0f} |")
        print(f"| `nwh --help`, s | {seconds_of([*nwh, '--help']):.2f} |")
        print(f"| `nwh sql 'select 1'`, s | {seconds_of([*nwh, 'sql', 'select 1']):.2f} |")


if __name__ == "__main__":
    main()
