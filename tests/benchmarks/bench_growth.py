"""What shards cost as they grow: bytes staged, seconds to merge, memory, for N shards, some neurons and K.

    python -m tests.benchmarks.bench_growth [--sentences 800_000] [--neurons 64]

Summaries are fed with random activations; everything after the model is the real code: shards are staged in a folder
and merged from there, each measured in a process of its own. The last lines say what 82M sentences through 12 x
(768 + 3,072) neurons would take by these figures.
"""

from __future__ import annotations

import argparse
import resource
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nwh.ingest.activations.resume import Reached, save_pass
from nwh.ingest.activations.shards import merged_place
from nwh.ingest.activations.stream import BLOCK
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import complete, staged_shards

PLACE = ("ffn", 0)
UNIT = {"corpus": "random"}
CHUNK = 1024  # sentences summarised at a time, as in `activations.buffer`
STUDY = 82_000_000, 12 * (768 + 3072), 10_000, 8  # sentences, neurons, K, GPUs


class Fresh:
    """What merging asks of a pass."""

    def __init__(self, neurons: int, k: int) -> None:
        self.neurons, self.k = neurons, k

    def fresh(self, place):
        return LayerSummary(self.neurons, self.k, torch.zeros(0, dtype=torch.int64), False)


def peak() -> float:
    """Return the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stage(folder: str, neurons: int, k: int, sentences: int, shard: Shard) -> dict[str, float]:
    """Summarise a shard's random activations and stage them; return seconds and MB of memory above the start."""
    torch.set_num_threads(1)
    run = Run(Storage(folder), "growth", UNIT, {}, shard=shard)
    summary, taken = Fresh(neurons, k).fresh(PLACE), 0.0
    random = torch.Generator().manual_seed(shard.i)
    before = peak()
    for block in shard.of(-(-sentences // BLOCK)):
        for start in range(block * BLOCK, min((block + 1) * BLOCK, sentences), CHUNK):
            values = torch.randn(neurons, min(CHUNK, sentences - start), generator=random)
            began = time.perf_counter()
            summary.update(values, torch.arange(start, start + values.shape[1]))
            taken += time.perf_counter() - began
        summary.end_block(block)
    began = time.perf_counter()
    save_pass(run, {}, {PLACE: summary}, Reached([[0]], 0, 1, 1))
    complete(run, sentences)
    return {"summarise": taken, "stage": time.perf_counter() - began, "memory": peak() - before}


def merge(folder: str, neurons: int, k: int) -> dict[str, float]:
    """Merge what is staged; return seconds and MB of memory above the start."""
    torch.set_num_threads(1)
    storage, before, began = Storage(folder), peak(), time.perf_counter()
    merged_place(storage, Fresh(neurons, k), staged_shards(storage, "growth/corpus=random"), PLACE)
    return {"merge": time.perf_counter() - began, "memory": peak() - before}


def measured(neurons: int, k: int, sentences: int, n: int) -> dict[str, float]:
    """Return what n shards cost: each shard and the merge in a new process, so that memory is its own."""
    with TemporaryDirectory() as folder, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        of_shards = [pool.apply(stage, (folder, neurons, k, sentences, Shard(i, n))) for i in range(1, n + 1)]
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        merging = pool.apply(merge, (folder, neurons, k))
        return {
            "summarise": sum(each["summarise"] for each in of_shards),
            "stage": sum(each["stage"] for each in of_shards),
            "bytes": sum(path.stat().st_size for path in files),
            "shard_memory": max(each["memory"] for each in of_shards),
            "merge": merging["merge"],
            "merge_memory": merging["memory"],
        }


def main() -> None:
    """Measure and print a table, then what the study would take."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--sentences", type=int, default=800_000)
    parse.add_argument("--neurons", type=int, default=64)
    options = parse.parse_args()
    print("neurons | K | shards | staged | a neuron of a shard | summarise | stage | merge | memory: shard, merge")
    found = {}
    for neurons, k, n in [
        *((options.neurons, k, n) for k in (200, 10_000) for n in (2, 8, 32)),
        (4 * options.neurons, 10_000, 8),
    ]:
        one = found[neurons, k, n] = measured(neurons, k, options.sentences, n)
        print(
            f"{neurons} | {k:,} | {n} | {one['bytes'] / 1e6:.1f} MB | {one['bytes'] / n / neurons:,.0f} B | "
            f"{one['summarise'] / neurons / options.sentences * 1e9:.0f} ns a value | "
            f"{one['stage'] / n / neurons * 1e6:.0f} us a neuron | "
            f"{one['merge'] / n / neurons * 1e6:.0f} us a neuron | "
            f"{one['shard_memory']:.0f}, {one['merge_memory']:.0f} MB",
            flush=True,
        )
    sentences, neurons, k, gpus = STUDY
    one = found[options.neurons, k, 32]
    of_neuron = {name: one[name] / 32 / options.neurons for name in ("bytes", "stage", "merge")}
    value = one["summarise"] / options.neurons / options.sentences
    print(f"{sentences:,} sentences, {neurons:,} neurons, K {k:,}, {gpus} GPUs, by the figures of 32 shards:")
    print(f"  summarising on the CPU {sentences * neurons * value / 3600:.0f} core-hours in all")
    for n in (8, 32, 64):
        print(
            f"  {n} shards: {n * neurons * of_neuron['bytes'] / 1e9:.0f} GB staged, writing "
            f"{neurons * of_neuron['stage']:.0f} s of each, "
            f"merging {n * neurons * of_neuron['merge'] / 60:.0f} core-min, "
            f"a layer's {n * 3072 * of_neuron['merge']:.0f} s; a dead node costs 1/{n} of the work at most"
        )


if __name__ == "__main__":
    main()
