"""P(w) and P(b) by the model's own forward pass, which owes nothing to the rows whose sums they judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import ModelError

_ROUNDING = 4  # times the root of the dtype's epsilon: 0.14 % of a probability in float32, 35 % in bfloat16
_NOT_FOLLOWED = (
    "nwh does not follow this model's attention, so nothing is stored. Use another version of transformers, or another "
    "model"
)


def checked_prompts(prompts: Sequence[PromptInput]) -> set[int]:
    """Return the indices of the prompts to be judged: the shortest and the longest.

    What can go wrong is of the model and of lengths (windows of attention), not of a prompt. All layers of two
    prompts in a block of 128 cost some per cent of its attributions; of every prompt, more than these.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].input_ids))
    return {*order[:1], *order[-1:]}


def completeness_error(
    model: LoadedModel, prompt: PromptInput, scores: Tensor, error: Sequence[float], baseline: Tensor | None = None
) -> list[float]:
    """Return by layer |sum of scores - (P(w) - P(b))|, both probabilities by the model's own forward pass.

    scores: [n_layers, d_ffn]. error: by layer, the same with the probabilities that the scores' rows gave.
    baseline: b, as scores; null: 0.
    ModelError: it is larger than that by more than rounding can be, so that the rows are not what the model computes.
    """
    probability = baseline_probabilities(model, prompt, baseline).double()
    own = (scores.double().sum(1) - (probability[0] - probability[1:])).abs()
    most = _rounding(model) * probability[1:].clamp(min=float(probability[0]))
    wrong = (own > torch.tensor(error).double() + most).nonzero()
    if len(wrong):
        layer = int(wrong[0])
        raise ModelError(
            f"the attributions of prompt {prompt.prompt_id} in layer {layer} of {model.checkpoint.model} sum to "
            f"{float(scores[layer].sum()):.4g} of probability, and {type(model.module).__name__}'s own forward pass to "
            f"{float(probability[0] - probability[1 + layer]):.4g}: {_NOT_FOLLOWED}"
        )
    return own.tolist()


def check_probability(model: LoadedModel, prompt: PromptInput, probability: float) -> None:
    """Raise ModelError where the model's own forward pass gives the answer another probability, beyond rounding."""
    (group,) = passes.groups(model, [prompt])
    with torch.inference_mode():
        own = float(passes.answer_probability(model, passes.answer_logits(model, group), group.answers))
    if abs(own - probability) > _rounding(model) * own:
        raise ModelError(
            f"the rows of prompt {prompt.prompt_id} give its answer a probability of {probability:.4g}, and "
            f"{type(model.module).__name__}'s own forward pass {own:.4g}: {_NOT_FOLLOWED}"
        )


def baseline_probabilities(model: LoadedModel, prompt: PromptInput, baseline: Tensor | None = None) -> Tensor:
    """Return the answer's probability as it is, then with each layer's values at the answer position at the baseline.

    baseline: [n_layers, d_ffn]; null: 0. Result: [1 + n_layers], on the CPU.
    """
    start = passes.baseline_of(model, baseline).to(model.dtype)
    result = torch.empty(1 + len(start))
    for group in passes.groups(model, [prompt] * len(result)):
        put = partial(_put, count(), [index - 1 for index in group.indices], prompt.position, start)
        with torch.inference_mode(), passes.before_downs(model, put):
            logits = passes.answer_logits(model, group)
            result[group.indices] = passes.answer_probability(model, logits, group.answers).cpu()
    return result


def _rounding(model: LoadedModel) -> float:
    return float(_ROUNDING * torch.finfo(model.dtype).eps ** 0.5)


def _put(
    running: Iterator[int], layers: list[int], position: int, baseline: Tensor, _: nn.Module, args: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Set one token's input of a down projection to the baseline, in each row's own layer, no two rows' the same."""
    values = args[0].clone()
    of_rows = values.view(len(layers), -1, values.shape[-1])  # OPT flattens rows and tokens
    layer = next(running)
    if layer in layers:
        of_rows[layers.index(layer), position] = baseline[layer]
    return (values, *args[1:])
