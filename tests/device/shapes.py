"""Made-up text and prompts for models of real shapes: nothing has to be fetched."""

from __future__ import annotations

import random

import numpy as np

from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.shapes import Shape

MEAN_TOKENS = 25
TINY_BERT = Shape("tiny BERT", "bert", 3, 32, 64, 2, 500, 64)
TINY_PYTHIA = Shape("tiny Pythia", "gpt_neox", 2, 32, 64, 2, 500, 64)


def sentences(shape: Shape, n: int) -> list[str]:
    """Return made-up sentences of about MEAN_TOKENS tokens, special ones included, 4 x as many at most."""
    draw = random.Random(0)
    made = []
    for _ in range(n):
        length = min(4 * MEAN_TOKENS, shape.window - 2, 3 + int(draw.expovariate(1 / (MEAN_TOKENS - 5))))
        made.append(" ".join(f"w{int((shape.vocabulary - 10) * draw.random() ** 3)}" for _ in range(length)))
    return made


def prompts(model: LoadedModel, n: int, lengths: tuple[int, ...] = (12, 16, 20, 24)) -> list[PromptInput]:
    """Return made-up prompts of a few lengths, each as often, with any answer of one token."""
    draw, masked = np.random.default_rng(0), model.family.objective == "mlm"
    made = []
    for i in range(n):
        length = lengths[i % len(lengths)]
        ids = tuple(draw.integers(4, model.checkpoint.vocab_size, length).tolist())
        at = length // 2 if masked else length - 1
        answer = (int(draw.integers(4, model.checkpoint.vocab_size)),)
        made.append(PromptInput(i, f"c{i // 4}", ids, at, answer))
    return made
