"""The two studies that nwh was made for, as programs: what each would cost here.

Their models are run with random weights of the real shapes over made-up text of the real lengths, so that nothing has
to be fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from nwh.ingest.activations.settings import Settings
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.rules.rule import rule_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.devices import multiplying
from nwh.ingest.plan.activations import activations_cost
from nwh.ingest.plan.estimate import Estimate, Timing
from nwh.ingest.plan.knowledge import attributions_cost, interventions_cost
from nwh.ingest.plan.shapes import BERT_BASE, PYTHIA_70M, PYTHIA_160M, PYTHIA_410M, Shape, model_of

SENTENCES = 82_000_000
"""Of study A (Oba et al. 2021): BookCorpus, Wikipedia, Sentiment140, IMDB, 20 Newsgroups, Reuters."""
CORPORA = 6
_MEAN_TOKENS = 25
CHECKPOINTS = {"shown": (13, 13), "all": (28, 154)}
"""Of study B (Ariyama 2024): those its figures show, and all there are, of MultiBERTs and of each Pythia."""
_MASKED, _CAUSAL = 4207, 1406  # concepts, each with 4 prompts
_PROMPTS, _NEGATIVES, _OPERATIONS, _NEURONS = 4, 10, 3, 12
_MADE = 2048  # prompts, of which a calibration takes what it has time for


def study_a(device: str, dtype: str, settings: Settings, timing: Timing) -> Iterator[Estimate]:
    """Yield what the activations of study A cost: BERT base over 82 million sentences in six corpora.

    Of each corpus the top-K is kept, and takes disk; the pass over all sentences is one estimate. Others as for
    `plan_activations`.
    """
    model = model_of(BERT_BASE, device, dtype, empty=timing.rate is not None)
    with multiplying(model.tf32):
        cost = activations_cost(model, "six corpora", made_text(4096), SENTENCES, settings, timing)
    once = ("alone", "disk", "stage", "merge")  # for each corpus
    yield replace(cost, **{name: CORPORA * getattr(cost, name) for name in once})


def study_b(device: str, dtype: str, checkpoints: str, timing: Timing) -> Iterator[Estimate]:
    """Yield what study B costs: attributions by `adaptive` and three interventions, of each model's checkpoints.

    checkpoints: a key of CHECKPOINTS. timing: of each line; its rate is prompts per second that BERT base attributes,
    and other shapes follow by arithmetic.
    """
    of_masked, of_causal = CHECKPOINTS[checkpoints]
    masked = (BERT_BASE, "MultiBERTs", _MASKED, of_masked)
    causal = ((shape, shape.name, _CAUSAL, of_causal) for shape in (PYTHIA_70M, PYTHIA_160M, PYTHIA_410M))
    for shape, name, concepts, n in (masked, *causal):
        model = model_of(shape, device, dtype, head=True, empty=timing.rate is not None)
        attributing, editing = (replace(timing, rate=timing.rate and timing.rate * each) for each in _relative(shape))
        prompts, said = made_prompts(model, _MADE), f"{n} checkpoints of {name}"
        with multiplying(model.tf32):
            n_prompts, rules = concepts * _PROMPTS * n, [rule_named("adaptive")]
            yield replace(attributions_cost(model, said, prompts, n_prompts, rules, attributing), of=said)
            asked, sets = _edited(model, prompts)
            edits = concepts * (_PROMPTS + _NEGATIVES) * 2 * _OPERATIONS * n
            cost = interventions_cost(model, said, prompts, asked, sets, edits, editing)
            yield replace(cost, of=said, alone=0.0)
        del model


def made_text(n: int) -> list[str]:
    """Return made-up sentences of about 25 tokens for models of `shapes`, special ones included, 100 at most."""
    draw = np.random.default_rng(0)
    lengths = np.minimum(4 * _MEAN_TOKENS, 3 + draw.exponential(_MEAN_TOKENS - 5, n).astype(int))
    return [" ".join(f"w{word}" for word in (20_000 * draw.random(length) ** 3).astype(int)) for length in lengths]


def made_prompts(model: LoadedModel, n: int) -> list[PromptInput]:
    """Return made-up prompts of 8 to 32 tokens, of which any token is the answer."""
    draw, masked = np.random.default_rng(0), model.family.objective == "mlm"
    made = []
    for i in range(n):
        *ids, answer = draw.integers(4, model.checkpoint.vocab_size, 9 + i % 25).tolist()
        made.append(PromptInput(i, f"c{i // 4}", tuple(ids), len(ids) // 2 if masked else len(ids) - 1, (answer,)))
    return made


def _edited(
    model: LoadedModel, prompts: Sequence[PromptInput]
) -> tuple[list[list[int]], list[list[tuple[np.ndarray, np.ndarray]]]]:
    """Return, of concepts, places of prompts and two sets of neurons in the upper half of the layers."""
    draw, row = np.random.default_rng(0), model.checkpoint
    n_asked = _PROMPTS + _NEGATIVES
    asked = [draw.choice(len(prompts), n_asked, replace=False).tolist() for _ in range(len(prompts) // n_asked)]
    sets = []
    for _ in asked:
        layers = np.sort(draw.integers(row.n_layers // 2, row.n_layers, _NEURONS))
        sets.append([(layers, draw.choice(row.d_ffn, _NEURONS, replace=False)) for _ in range(2)])
    return asked, sets


def _relative(shape: Shape) -> tuple[float, float]:
    """Return prompts attributed and edits made in the time in which BERT base attributes a prompt, by arithmetic.

    Multiplications of a row in a block: its projections, for each token that it carries (a causal row carries one).
    """

    def work(of: Shape) -> tuple[float, float]:
        block = (4 * of.d_model**2 + 2 * of.d_model * of.d_ffn) * (20 if of.family == "bert" else 1)
        head = of.d_model * of.vocabulary
        points, blocks = 7, of.layers * (of.layers + 1) / 2  # a layer's rows run the blocks above it, and back
        return 2 * points * (blocks * block + of.layers * head), of.layers / 2 * block + head

    unit, (attributed, edited) = work(BERT_BASE)[0], work(shape)
    return unit / attributed, unit / edited
