"""Knowledge attribution: how much each `ffn` value at the answer position adds to the answer's probability.

    Attr_i = w_i * integral_0^1 dP(alpha * w) / dw_i d alpha      (Dai et al. 2021, arXiv 2104.08696, equation 3)

with w the values of a whole layer. Its sum over a layer is P(w) - P(0): completeness, by which every rule is judged.
Of some prompts both probabilities come from the model's own forward pass; see `completeness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.completeness import checked_prompts, completeness_error
from nwh.ingest.knowledge.gradients import integrate, whole_gradients
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.passes import Group
from nwh.ingest.knowledge.recording import Recording, record
from nwh.ingest.knowledge.rules import Rule, clenshaw_curtis, fixed_points
from nwh.ingest.models.capture import capture
from nwh.ingest.models.loading import LoadedModel

_FLOATS = 128 << 20  # of gradients kept while a layer is refined: half a GiB


@dataclass(frozen=True)
class Attributed:
    """The attributions of one prompt.

    probability: of the answer; of several tokens the product. rank: of its first token, 1 is most probable.
    scores: [n_layers, d_ffn] float32 on the CPU.
    evaluations: gradients taken per layer.
    completeness_error: per layer, |sum of its scores - (P(w) - P(0))|, in probability; of the shortest and the
        longest prompt with probabilities of the model's own forward pass.
    converged: per layer, whether the rule's tolerance (and agreement) is met.
    """

    probability: float
    rank: int
    scores: Tensor
    evaluations: tuple[int, ...]
    completeness_error: tuple[float, ...]
    converged: tuple[bool, ...]


def attribute(model: LoadedModel, prompts: Sequence[PromptInput], rule: Rule) -> Iterator[tuple[int, Attributed]]:
    """Yield (index into prompts, attributions) of every prompt, grouped by length.

    UsageError: a bidirectional model and an answer of several tokens. ModelError: probabilities that are not
    numbers, or attributions whose sums the model's own forward pass does not confirm.
    """
    checked = checked_prompts(prompts)
    for group in passes.groups(model, prompts):
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller works in
            attributed = _attribute(record(model, group), rule)
        for index, found in zip(group.indices, attributed, strict=True):
            if index in checked:
                error = completeness_error(model, prompts[index], found.scores, found.completeness_error)
                found = replace(found, completeness_error=tuple(error))
            yield index, found


def answer_scores(model: LoadedModel, prompts: Sequence[PromptInput]) -> list[tuple[float, int]]:
    """Return (probability of the answer, rank of its first token) of each prompt."""
    results: list[tuple[float, int]] = [(0.0, 0)] * len(prompts)
    for group in passes.groups(model, prompts):
        with torch.inference_mode():
            logits = passes.answer_logits(model, group)
            probabilities = passes.answer_probability(model, logits, group.answers).tolist()
            ranks = passes.rank(logits, group.answers).tolist()
        for index, probability, rank in zip(group.indices, probabilities, ranks, strict=True):
            results[index] = probability, rank
    return results


def answer_activations(model: LoadedModel, prompts: Sequence[PromptInput]) -> Tensor:
    """Return the `ffn` values at the answer position, [prompts, n_layers, d_ffn] float32 on the CPU."""
    seen = replace(model, family=passes.family_of_answers(model))
    n_layers = len(seen.family.blocks_of(seen.base))
    results = torch.empty(len(prompts), n_layers, model.checkpoint.d_ffn)
    for group in passes.groups(model, prompts):
        rows = torch.arange(len(group.indices), device=model.device)

        def keep(_: str, layer: int, values: Tensor, group: Group = group, rows: Tensor = rows) -> None:
            results[group.indices, layer] = values[rows, group.position].float().cpu()

        with torch.inference_mode(), capture(seen, ["ffn"], keep):
            passes.answer_logits(model, group)
    return results


def _attribute(recording: Recording, rule: Rule) -> list[Attributed]:
    integral = _adaptive(recording, rule) if rule.name == "adaptive" else _fixed(recording, rule)
    columns = (recording.probability, recording.rank, integral.evaluations, integral.error, integral.converged)
    scores = integral.scores.cpu()
    return [
        Attributed(probability, rank, own, tuple(evaluations), tuple(error), tuple(converged))
        for own, probability, rank, evaluations, error, converged in zip(
            scores, *(column.tolist() for column in columns), strict=True
        )
    ]


@dataclass(frozen=True)
class _Integral:
    """Of each prompt and layer, [prompts, layers]; scores: [prompts, layers, d_ffn]."""

    scores: Tensor
    evaluations: Tensor
    error: Tensor
    converged: Tensor


def _every_layer(recording: Recording) -> tuple[Tensor, Tensor]:
    """Return prompt and layer of every pair of them, sorted."""
    n_prompts, n_layers, device = len(recording.group.indices), len(recording.ffn), recording.probability.device
    prompt = torch.arange(n_prompts, device=device).repeat_interleave(n_layers)
    return prompt, torch.arange(n_layers, device=device).repeat(n_prompts)


def _fixed(recording: Recording, rule: Rule) -> _Integral:
    prompt, layer = _every_layer(recording)
    shape = len(recording.group.indices), len(recording.ffn)
    points, weights = (torch.as_tensor(x).float().to(prompt.device) for x in fixed_points(rule))
    at_one = points == 1
    alpha, weight = (x[~at_one].expand(len(prompt), -1) for x in (points, weights))
    values, probability = integrate(recording, prompt, layer, alpha, weight)
    if at_one.any():
        values += weights[at_one] * whole_gradients(recording)
    if points[0] == 0:
        at_zero = probability[:, 0]
    else:
        with torch.no_grad():
            at_zero = integrate(recording, prompt, layer, torch.zeros(len(prompt), 1).to(alpha), weight)[1][:, 0]
    probability = torch.cat([probability, recording.probability[prompt, None]], 1)
    error = (values.sum(1) - (probability[:, -1] - at_zero)).abs()
    evaluations, converged = torch.full(shape, rule.steps), error <= rule.tolerance * probability.amax(1)
    return _Integral(values.view(*shape, -1), evaluations, error.view(shape), converged.view(shape))


def _adaptive(recording: Recording, rule: Rule) -> _Integral:
    prompt, layer = _every_layer(recording)
    shape, d_ffn = (len(recording.group.indices), len(recording.ffn)), recording.ffn[0].shape[1]
    whole = whole_gradients(recording)
    scores = torch.empty_like(whole)
    evaluations, error, converged = (
        torch.empty(len(prompt), dtype=kind, device=prompt.device) for kind in (torch.int64, torch.float32, torch.bool)
    )

    def at(points: NDArray[np.float64], pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradient x values, [pairs, points, d_ffn], and probability, [pairs, points]."""
        alpha = torch.as_tensor(points).float().to(prompt.device).repeat(len(pairs))[:, None]
        jobs = pairs.repeat_interleave(len(points))
        values, probability = integrate(recording, prompt[jobs], layer[jobs], alpha, torch.ones_like(alpha))
        return values.view(len(pairs), -1, d_ffn), probability.view(len(pairs), -1)

    most = max(1, _FLOATS // (rule.max_evaluations * d_ffn))
    for pairs in torch.split(torch.arange(len(prompt), device=prompt.device), most):  # of prompt and layer, still open
        n = 4
        values, probability = at(clenshaw_curtis(n)[0][:-1], pairs)
        values = torch.cat([values, whole[pairs, None]], 1)
        probability = torch.cat([probability, recording.probability[prompt[pairs], None]], 1)
        while len(pairs):
            estimate, before = _weighted(values), _weighted(values[:, ::2])
            off = (estimate.sum(1) - (probability[:, -1] - probability[:, 0])).abs()
            agrees = (estimate - before).norm(dim=1) <= rule.agreement * estimate.norm(dim=1)
            good = agrees & (off <= rule.tolerance * probability.amax(1))
            done = good | (2 * n + 1 > rule.max_evaluations)
            closed = pairs[done]
            scores[closed], evaluations[closed] = estimate[done], n + 1
            error[closed], converged[closed] = off[done], good[done]
            pairs, n = pairs[~done], 2 * n
            if len(pairs):
                new_values, new_probability = at(clenshaw_curtis(n)[0][1::2], pairs)
                values = _between(values[~done], new_values)
                probability = _between(probability[~done], new_probability)
    return _Integral(scores.view(*shape, -1), evaluations.view(shape), error.view(shape), converged.view(shape))


def _weighted(values: Tensor) -> Tensor:
    """Return the Clenshaw-Curtis sums, [pairs, d_ffn], of values at the points, [pairs, points, d_ffn]."""
    weights = torch.as_tensor(clenshaw_curtis(values.shape[1] - 1)[1]).float().to(values.device)
    return torch.einsum("pnf,n->pf", values, weights)


def _between(old: Tensor, new: Tensor) -> Tensor:
    """Put each new point between two old ones, along dimension 1."""
    result = torch.empty(old.shape[0], old.shape[1] + new.shape[1], *old.shape[2:], device=old.device)
    result[:, ::2], result[:, 1::2] = old, new
    return result
