"""What shards cost as they grow: bytes staged, seconds to merge and to write, memory, by shards, neurons and K.

    python -m tests.benchmarks.bench_growth [--neurons 512,2048] [--gigabytes 4]

Summaries are fed with random activations, K sentences or more a shard, so that each shard's state is as large as it
gets; everything after the model is the real code: shards are staged in a folder and merged from there, each measured in
a process of its own, after one of 8 neurons has loaded what is compiled. Fewer shards are the first of the 32; where
all of them would take more than so many gigabytes, as many as fit are made.
The last lines say what 82M sentences through 12 x (768 + 3,072) neurons would take by the figures of the most shards.
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
from nwh.ingest.activations.rows import sample_rows, stats_rows, topk_rows
from nwh.ingest.activations.shards import merged_place
from nwh.ingest.activations.stream import BLOCK
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_shards import complete, staged_shards

PLACE = ("ffn", 0)
UNIT = {"model": "random", "checkpoint": "main", "corpus": "random"}
SITE = {**UNIT, "site": "ffn"}
CHUNK = 1024  # sentences summarised at a time, as in `activations.buffer`
SHARDS = (1, 2, 8, 32)
KS = (200, 1000, 10_000)
STUDY = 82_000_000, 12 * (768 + 3072), 10_000, 8  # sentences, neurons, K, GPUs
TOKENS_A_SENTENCE, FLOP_A_TOKEN = 22, 2 * 85e6  # of BERT base without its embeddings


class Fresh:
    """What merging asks of a pass."""

    def __init__(self, neurons: int, k: int) -> None:
        self.neurons, self.k = neurons, k

    def fresh(self, place):
        return LayerSummary(self.neurons, self.k, torch.zeros(0, dtype=torch.int64), False)


def peak() -> float:
    """Return the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm() -> None:
    """Load what is compiled, and the modules that are imported late."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for i in (1, 2):
            _stage(folder, 8, 200, BLOCK, Shard(i, 2))
        _merge(folder, 8, 200, 2)


def stage(folder: str, neurons: int, k: int, sentences: int, n: int) -> dict[str, float]:
    """Summarise n shards' random activations, stage them; return a shard's seconds and MB of memory above the start."""
    warm()
    before, taken = peak(), [_stage(folder, neurons, k, sentences, Shard(i, n)) for i in range(1, n + 1)]
    summarise, staging = (sum(each) / n for each in zip(*taken, strict=True))
    return {"summarise": summarise, "stage": staging, "memory": peak() - before}


def _stage(folder: str, neurons: int, k: int, sentences: int, shard: Shard) -> tuple[float, float]:
    run = Run(Storage(folder), "growth", UNIT, {}, shard=shard)
    summary, taken = Fresh(neurons, k).fresh(PLACE), 0.0
    random, n_blocks = torch.Generator().manual_seed(shard.i), -(-sentences // BLOCK)
    for block in range((shard.i - 1) * n_blocks, shard.i * n_blocks):
        for start in range(block * BLOCK, (block + 1) * BLOCK, CHUNK):
            values = torch.randn(neurons, CHUNK, generator=random)
            began = time.perf_counter()
            summary.update(values, torch.arange(start, start + CHUNK))
            taken += time.perf_counter() - began
        summary.end_block(block)
    began = time.perf_counter()
    save_pass(run, {}, {PLACE: summary}, Reached([[0]], 0, 1, 1))
    complete(run, n_blocks * BLOCK)
    return taken, time.perf_counter() - began


def merge(folder: str, neurons: int, k: int, n: int) -> dict[str, float]:
    """Merge the first n shards and write the rows; return seconds of both and MB of memory above the start."""
    warm()
    return _merge(folder, neurons, k, n)


def _merge(folder: str, neurons: int, k: int, n: int) -> dict[str, float]:
    storage, before = Storage(folder), peak()
    began = time.perf_counter()
    place = Run(storage, "growth", UNIT, {}).place
    whole = merged_place(storage, Fresh(neurons, k), staged_shards(storage, place)[:n], PLACE)
    merged = time.perf_counter()
    run = Run(storage, "growth", UNIT, {})
    with run.writer("neuron_topk", SITE) as writer:
        for rows in topk_rows(0, whole, 0):
            writer.write(rows)
    run.write("neuron_stats", SITE, stats_rows(0, whole))
    run.write("activation_sample", SITE, sample_rows(0, whole, 0))
    written = time.perf_counter()
    run.discard()
    return {"merge": merged - began, "write": written - merged, "memory": peak() - before}


def main() -> None:
    """Measure and print a table, then what the study would take."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--neurons", default="512,2048")
    parse.add_argument("--gigabytes", type=float, default=4)
    options = parse.parse_args()
    print("| neurons | K | shards | staged, MB | summarise, ns a value | stage a shard, s | merge, s ", end="")
    print("| us a shard and neuron | rows, s | ns a row | memory of a shard, MB | of the merge |")
    print("|---:" * 12 + "|")
    found: dict[str, float] = {}
    context = get_context("forkserver")  # whose processes start quickly, with what this module imports
    context.set_forkserver_preload(["nwh.ingest.activations.shards", "nwh.ingest.activations.rows"])
    with context.Pool(1, maxtasksperchild=1) as pool:
        for neurons in map(int, options.neurons.split(",")):
            for k in KS:
                found = measured(pool, neurons, k, options.gigabytes)
    estimate(found)


def measured(pool, neurons: int, k: int, gigabytes: float) -> dict[str, float]:
    """Print the lines of some neurons and a K; return what the most shards cost for each shard and neuron."""
    most = max(1, min(SHARDS[-1], int(gigabytes * 1e9 / neurons / (16 * k + 10_000))))
    sentences = -(-k // BLOCK) * BLOCK
    found: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        staged = pool.apply(stage, (folder, neurons, k, sentences, most))
        value = staged["summarise"] / neurons / sentences
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / most
        for n in sorted({min(n, most) for n in SHARDS}):
            one = pool.apply(merge, (folder, neurons, k, n))
            print(
                f"| {neurons:,} | {k:,} | {n} | {n * size / 1e6:,.0f} | {value * 1e9:.0f} | {staged['stage']:.2f} "
                f"| {one['merge']:.2f} | {one['merge'] / n / neurons * 1e6:.0f} | {one['write']:.2f} "
                f"| {one['write'] / 2 / k / neurons * 1e9:.0f} | {staged['memory']:.0f} | {one['memory']:.0f} |",
                flush=True,
            )
            found = {name: one[name] / neurons for name in ("write", "memory")} | {"value": value}
            found |= {"merge": one["merge"] / n / neurons, "bytes": size / neurons, "stage": staged["stage"] / neurons}
    return found


def estimate(found: dict[str, float]) -> None:
    """Print what the study would take, by what a neuron of a shard costs."""
    sentences, neurons, k, gpus = STUDY
    print(f"\n{sentences:,} sentences, {neurons:,} neurons, K {k:,}, {gpus} GPUs, by the last line:")
    flop = sentences * TOKENS_A_SENTENCE * FLOP_A_TOKEN
    print(f"  the model: {flop / 25e12 / gpus / 60:.0f} min at 25 Tflop/s a GPU (reckoned, not measured)")
    core_hours = sentences * neurons * found["value"] / 3600
    print(f"  summarising on CPUs: {core_hours:.0f} core-hours, {core_hours / gpus / 16 * 60:.0f} min on 16 each")
    print(f"  writing rows: {neurons * found['write'] / 60:.1f} min of one process")
    for n in (gpus, 2 * gpus, 64):
        print(
            f"  {n} shards: {n * neurons * found['bytes'] / 1e9:.0f} GB staged, "
            f"{neurons * found['stage']:.0f} s for each; "
            f"merging {n * neurons * found['merge'] / 60:.1f} core-min, the widest layer "
            f"{n * 3072 * found['merge']:.0f} s; a dead node costs 1/{n} of the work at most"
        )
    print(f"  memory of a layer that is merged: {3072 * found['memory'] / 1e3:.1f} GB")


if __name__ == "__main__":
    main()
