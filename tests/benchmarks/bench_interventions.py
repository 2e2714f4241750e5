"""Interventions in batches against one prompt at a time.

    python -m tests.benchmarks.bench_interventions [--prompts 12] [--repeats 3]

Each prompt has 6 edits, as in a concept's interventions: zero, double and replace 12 neurons of the upper half of the
layers, and as many random ones of the same layers. One at a time means a forward pass of the prompt per edit, with
hooks that change the values at the answer position. Models have random weights in the shapes of Pythia 160M and BERT
base, prompts 16 random tokens. Printed are medians of the repeats, their ratio, and the largest relative difference of
a probability.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch

from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.models.loading import LoadedModel
from tests.benchmarks.bench_attribution import timed
from tests.benchmarks.prompts import CAUSAL, MASKED, random_model, random_prompts

NEURONS = 12


def draw_edits(model: LoadedModel, n_prompts: int) -> list[Edit]:
    draw, row = np.random.default_rng(0), model.checkpoint
    edits = []
    for prompt in range(n_prompts):
        layers = np.sort(draw.integers(row.n_layers // 2, row.n_layers, NEURONS))
        for _ in ("contributing", "random"):
            neurons = draw.choice(row.d_ffn, NEURONS, replace=False)
            edits += [Edit(prompt, layers, neurons, factor) for factor in (0.0, 2.0)]
            edits.append(Edit(prompt, layers, neurons, 0.0, draw.standard_normal(NEURONS)))
    return edits


def plain(model: LoadedModel, prompts: list[PromptInput], edits: list[Edit]) -> list[tuple[float, int]]:
    """Return (probability, rank) of each edit, one forward pass each."""
    downs = [model.family.down_of(block) for block in model.family.blocks_of(model.base)]
    results = []
    for edit in edits:
        prompt, handles = prompts[edit.prompt], []
        for layer in np.unique(edit.layers):
            here = edit.layers == layer
            neurons = torch.as_tensor(edit.neurons[here])
            values = 0 if edit.values is None else torch.as_tensor(edit.values[here]).float()

            def hook(_, args, at=prompt.position, neurons=neurons, factor=edit.factor, values=values):
                args[0][0, at, neurons] = factor * args[0][0, at, neurons] + values

            handles.append(downs[layer].register_forward_pre_hook(hook))
        logits = model.module(input_ids=torch.tensor([prompt.input_ids])).logits[0, prompt.position]
        for handle in handles:
            handle.remove()
        answer = prompt.answer_ids[0]
        results.append((logits.softmax(0)[answer].item(), 1 + int((logits > logits[answer]).sum())))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    for name, config in (("causal, 12 layers x 768", CAUSAL), ("masked, BERT base", MASKED)):
        model = random_model(config)
        prompts = random_prompts(model, args.prompts)
        edits = draw_edits(model, args.prompts)
        seconds: dict[str, list[float]] = {"plain": [], "batched": []}
        with torch.inference_mode():
            for _ in range(args.repeats):
                taken, expected = timed(lambda: plain(model, prompts, edits))  # noqa: B023
                seconds["plain"].append(taken)
                taken, found = timed(lambda: intervene(model, prompts, edits))  # noqa: B023
                seconds["batched"].append(taken)
        slow, fast = (statistics.median(seconds[way]) for way in ("plain", "batched"))
        difference = max(abs(a[0] - b[0]) / b[0] for a, b in zip(found, expected, strict=True))
        print(
            f"{name}: {len(edits)} edits, one at a time {slow:.2f} s, batched {fast:.2f} s, {slow / fast:.1f} x; "
            f"largest relative difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
