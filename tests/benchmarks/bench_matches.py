"""Best partners of neurons against numpy's full correlation matrix: seconds, peak memory, equal results.

    python -m tests.benchmarks.bench_matches [--warehouse DIR --before MODEL --after MODEL [--site ffn]]
    python -m tests.benchmarks.bench_matches --large

Both sides find, for each neuron, its best partner and the highest correlation in random bases. Without a warehouse
the two sets are random, 6 x 1,536 neurons over 5,000 sentences; with one they are the sampled activations of two
checkpoints that it holds. `--large`: 12 x 3,072 random neurons on each side, ours alone, against the size that the
full matrix would have. Each side runs in a process of its own; peak memory is the whole process's as the system counts
it, beside that of the process before the work. On a busy machine compare CPU seconds, with OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from time import perf_counter, process_time

import numpy as np

from nwh.ingest.comparison.correlation import BestPartners, Matrix, Reader, orthogonal, partners_by_layer

SEED = 0
Sides = tuple[Reader, Reader]


def random_layers(width: int, n_sentences: int) -> Sides:
    """Return readers of activations that have a little in common with one another, as neurons have."""

    def read(side: int, layer: int) -> Matrix:
        common = np.random.default_rng(1).standard_normal((32, n_sentences), np.float32)
        own = np.random.default_rng([2, side, layer])
        activations = own.standard_normal((width, n_sentences), np.float32)
        activations += own.standard_normal((width, 32), np.float32) @ common * np.float32(0.3)
        return activations

    return partial(read, 0), partial(read, 1)


def stored_layers(uri: str, before: str, after: str, site: str) -> tuple[int, Sides]:
    """Return the number of layers, and readers of the activations that both checkpoints have sampled."""
    from nwh.ingest.comparison.cluster_scope import read_activations, read_cluster_scopes
    from nwh.ingest.comparison.matches import sampled_by_both
    from nwh.ingest.stored import stored_reference
    from nwh.warehouse import Warehouse

    warehouse = Warehouse.open(uri)
    places = [stored_reference(warehouse, name) for name in (before, after)]
    scopes = [read_cluster_scopes(warehouse, *place, sites=[site])[0] for place in places]
    ids = sampled_by_both(warehouse, *scopes)
    readers = [partial(lambda scope, layer: read_activations(warehouse, scope, layer, ids), scope) for scope in scopes]
    return len(scopes[0].layers), (readers[0], readers[1])


def ours(n_layers: int, sides: Sides) -> list[np.ndarray]:
    """Return layer and neuron of each partner, its correlation and that with random bases, as the job finds them."""
    best: BestPartners | None = None
    for layer, partners in partners_by_layer(sides[0], range(n_layers), sides[1], range(n_layers), SEED):
        best = best or BestPartners(len(partners.neuron))
        best.add(layer, partners)
    assert best is not None
    return [best.layer, best.neuron, best.correlation, best.rotated]


def numpys(n_layers: int, sides: Sides) -> list[np.ndarray]:
    """Return the same from full matrices."""
    before, after = (np.concatenate([read(layer) for layer in range(n_layers)]) for read in sides)
    width = len(after) // n_layers
    full = full_matrix(before, after)
    best, highest = full.argmax(axis=1), full.max(axis=1)
    del full
    for layer in range(n_layers):
        rows = slice(layer * width, (layer + 1) * width)
        after[rows] = orthogonal(width, [SEED, layer]).T @ after[rows]
    return [best // width, best % width, highest, full_matrix(before, after).max(axis=1)]


def full_matrix(before: Matrix, after: Matrix) -> np.ndarray:
    """Return every correlation of a row of `before` with one of `after`, in float64; -2 for constant rows.

    The quarter of `np.corrcoef(before, after)` that is wanted, from one product: corrcoef itself makes all four, and
    the threaded OpenBLAS 0.3.31 of numpy's wheels crashes in its X @ X.T at 18,432 rows of 5,000.
    """
    sides = []
    for activations in (before, after):
        centred = activations - activations.mean(axis=1, dtype=np.float64, keepdims=True)
        with np.errstate(invalid="ignore"):
            centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        sides.append(centred)
    return np.nan_to_num(sides[0] @ sides[1].T, copy=False, nan=-2)


def measure(options: argparse.Namespace) -> None:
    """Run one side, save what it finds, print seconds and peak."""
    import duckdb  # what the job has loaded anyway
    import pyarrow

    assert duckdb
    assert pyarrow
    if options.warehouse:
        n_layers, sides = stored_layers(options.warehouse, options.before, options.after, options.site)
    elif options.large:
        n_layers, sides = 12, random_layers(3_072, options.sentences)
    else:
        n_layers, sides = 6, random_layers(1_536, options.sentences)
    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = perf_counter(), process_time()
    found = {"ours": ours, "numpy": numpys}[options.measure](n_layers, sides)
    seconds, cpu = perf_counter() - began, process_time() - cpu
    np.savez(options.out, *found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = {"seconds": seconds, "cpu": cpu, "peak": peak / 1024, "empty": empty / 1024, "neurons": len(found[0])}
    print(json.dumps(said))


def main() -> None:
    """Measure both sides and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse")
    parser.add_argument("--before")
    parser.add_argument("--after")
    parser.add_argument("--site", default="ffn")
    parser.add_argument("--sentences", type=int, default=5_000, help="of random data")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--measure", choices=["ours", "numpy"], help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options)
        return
    if options.warehouse and not (options.before and options.after):
        parser.error("--warehouse needs --before and --after")
    results: dict[str, list[np.ndarray]] = {}
    print("| | neurons | seconds | CPU seconds | peak MB | before the work |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for side in ("ours",) if options.large else ("ours", "numpy"):
            out = f"{folder}/{side}.npz"
            command = [sys.executable, "-m", "tests.benchmarks.bench_matches", *sys.argv[1:]]
            done = subprocess.run(
                [*command, "--measure", side, "--out", out], check=True, stdout=subprocess.PIPE, text=True
            )
            said = json.loads(done.stdout)
            n = said["neurons"]
            figures = f"{said['seconds']:.1f} | {said['cpu']:.1f} | {said['peak']:,.0f} | {said['empty']:,.0f}"
            print(f"| {side} | {n:,} | {figures} |", flush=True)
            with np.load(out) as saved:
                results[side] = list(saved.values())
            if side == "ours":
                peak = said["peak"]
    full = n * n * 4 / 2**20
    print(f"full matrix in float32: {full:,.0f} MB, {full / peak:.1f} times our peak (float64: twice that)")
    if not options.large:
        a, b = results["ours"], results["numpy"]
        live = a[1] >= 0
        same = (a[0] == b[0]) & (a[1] == b[1])
        apart = [np.abs(a[i] - b[i])[live].max() for i in (2, 3)]
        print(f"same partner: {same.sum():,} of {live.sum():,} that have one; correlations differ by at most")
        print(f"{apart[0]:.1e}, those with random bases by at most {apart[1]:.1e}")


if __name__ == "__main__":
    main()
