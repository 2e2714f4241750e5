"""The patterns job on a real warehouse against the `prefixspan` package per neuron: the same rows, and the ratio.

    nwh ingest patterns --model MODEL --corpus brown --site hidden --kind word
    python -m tests.benchmarks.bench_patterns_job --warehouse DIR --model MODEL --corpus brown [--neurons 20]

Ours is the whole stored run: reading annotations and top sentences, mining every neuron, exact corpus supports,
statistics, writing. The package mines `--neurons` neurons, spread over all layers, at the same settings from items
that are integers already, without corpus supports; its seconds are scaled to all neurons. Each of its results is
compared with the stored rows. For trees (kind tree stored): seconds of FREQT alone for one neuron, at 2 % and up to
5 nodes, median over `--neurons`.
"""

from __future__ import annotations

import argparse
import json
from statistics import median
from time import perf_counter

import numpy as np
from prefixspan import PrefixSpan

from nwh.ingest.patterns.mining.patterns import Rules, mine
from nwh.ingest.patterns.mining.supports import minimum_count
from nwh.ingest.patterns.rows import COLUMNS, Miner
from nwh.ingest.patterns.scope import PatternScope, read_scopes, read_sentences
from nwh.ingest.scope import read_sets
from nwh.ingest.stored import stored_model
from nwh.warehouse import Warehouse
from nwh.warehouse.names import split_list


def compare(warehouse: Warehouse, scope: PatternScope, kind: str, n: int) -> None:
    unit = {"model": scope.model, "checkpoint": scope.checkpoint, "site": scope.site, "scope": scope.name}
    unit |= {"kind": kind, "pole": scope.pole}
    name = "/".join(f"{key}={value}" for key, value in unit.items())
    run = warehouse.sql(
        "select seconds, rows, settings from runs where job = 'patterns' and unit = $1 "
        "order by started_at desc limit 1",
        [name],
    ).fetchall()
    if not run:
        print(f"{kind}: nothing stored for {name}")
        return
    ours, rows, settings = run[0][0], run[0][1], json.loads(run[0][2])
    rules = Rules(*(settings[field] for field in ("min_support", "max_length", "max_gap")))
    ids, texts = read_sentences(warehouse, scope, COLUMNS[kind])
    miner = Miner(kind, scope.pole, ids, texts, rules, threads=1)
    total = len(scope.layers) * scope.n_neurons
    places = [divmod(int(i), scope.n_neurons) for i in np.linspace(0, total - 1, n)]
    spent = []
    for layer, neuron in places:
        members = read_sets(warehouse, scope, layer, [neuron], ids, scope.pole)[0]
        if kind == "tree":
            start = perf_counter()
            mine(miner.corpus, [members], Rules(0.02, max_length=5), threads=1)
            spent.append(perf_counter() - start)
            continue
        corpus = miner.corpus
        package = PrefixSpan([corpus.item[corpus.bounds[s] : corpus.bounds[s + 1]].tolist() for s in members])
        package.maxlen = rules.max_length
        start = perf_counter()
        found = package.frequent(minimum_count(rules.min_support, len(members)))
        spent.append(perf_counter() - start)
        wanted = {tuple(corpus.items[code] for code in pattern): support for support, pattern in found}
        where = " and ".join(f"{key} = ${key}" for key in unit)
        stored = warehouse.sql(
            f"select pattern, support from neuron_patterns where {where} and layer = $layer and neuron = $neuron "
            "and q_value is not null",  # the others are frequent in the first half alone
            {**unit, "layer": layer, "neuron": neuron},
        ).fetchall()
        assert {tuple(pattern): support for pattern, support in stored} == wanted, (layer, neuron)
    if kind == "tree":
        print(f"tree: FREQT for one neuron, k {scope.k:,}, 2 %, up to 5 nodes: {median(spent[1:]):.3f} s (median)")
        return
    theirs = sum(spent) / n * total
    print(
        f"{kind}: {total:,} neurons of {scope.site}, k {scope.k:,}: ours {ours:.1f} s for {rows:,} rows, all included; "
        f"package {theirs:,.0f} s ({sum(spent):.1f} s for {n} neurons, equal row for row); ratio {theirs / ours:.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--checkpoint", default="main")
    parser.add_argument("--corpus", action="append")
    parser.add_argument("--site", default="hidden")
    parser.add_argument("--annotator")
    parser.add_argument("--neurons", type=int, default=20)
    args = parser.parse_args()
    warehouse = Warehouse.open(args.warehouse)
    (scope,) = read_scopes(
        warehouse,
        stored_model(warehouse, args.model),
        args.checkpoint,
        sites=[args.site],
        corpora=split_list(args.corpus),
        annotator=args.annotator,
    )
    for kind in scope.kinds:
        compare(warehouse, scope, kind, args.neurons)


if __name__ == "__main__":
    main()
