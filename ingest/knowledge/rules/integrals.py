"""Integrated gradients: the integral over the way from a baseline b to w, joint over a layer.

    Attr_i = (w_i - b_i) * integral_0^1 dP(b + alpha (w - b)) / dw_i d alpha

with b = 0: Dai et al. 2021, arXiv 2104.08696, equation 3. The sum over a layer is P(w) - P(b): completeness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rules.gradients import integrate
from nwh.ingest.knowledge.rules.quadrature import clenshaw_curtis, fixed_points
from nwh.ingest.knowledge.rules.rule import Rule

_FLOATS = 128 << 20  # of gradients kept while a layer is refined: half a GiB


@dataclass(frozen=True)
class Integral:
    """Of each prompt and layer, [prompts, layers]; scores: [prompts, layers, d_ffn]."""

    scores: Tensor
    evaluations: Tensor
    error: Tensor
    converged: Tensor


def integral(recording: Recording, baseline: Tensor, whole: Tensor, rule: Rule) -> Integral:
    """Return the integrals of a recording's prompts by `adaptive`, `riemann` or `linspace`.

    baseline: b, [n_layers, d_ffn]. whole: gradients at w times w - b, [prompts, n_layers, d_ffn], which every rule has
    among its points.
    """
    return (_adaptive if rule.name == "adaptive" else _fixed)(recording, baseline, whole.flatten(0, 1), rule)


def _every_layer(recording: Recording) -> tuple[Tensor, Tensor]:
    """Return prompt and layer of every pair of them, sorted."""
    n_prompts, n_layers, device = len(recording.group.indices), len(recording.ffn), recording.probability.device
    prompt = torch.arange(n_prompts, device=device).repeat_interleave(n_layers)
    return prompt, torch.arange(n_layers, device=device).repeat(n_prompts)


def _fixed(recording: Recording, baseline: Tensor, whole: Tensor, rule: Rule) -> Integral:
    prompt, layer = _every_layer(recording)
    shape = len(recording.group.indices), len(recording.ffn)
    points, weights = (torch.as_tensor(x).float().to(prompt.device) for x in fixed_points(rule.name, rule.steps))
    at_one = points == 1
    alpha, weight = (x[~at_one].expand(len(prompt), -1) for x in (points, weights))
    values, probability = integrate(recording, baseline, prompt, layer, alpha, weight)
    if at_one.any():
        values += weights[at_one] * whole
    if points[0] == 0:
        at_zero = probability[:, 0]
    else:
        with torch.no_grad():
            zero = torch.zeros(len(prompt), 1).to(alpha)
            at_zero = integrate(recording, baseline, prompt, layer, zero, weight)[1][:, 0]
    probability = torch.cat([probability, recording.probability[prompt, None]], 1)
    error = (values.sum(1) - (probability[:, -1] - at_zero)).abs()
    evaluations, converged = torch.full(shape, rule.steps), error <= rule.tolerance * probability.amax(1)
    return Integral(values.view(*shape, -1), evaluations, error.view(shape), converged.view(shape))


def _adaptive(recording: Recording, baseline: Tensor, whole: Tensor, rule: Rule) -> Integral:
    prompt, layer = _every_layer(recording)
    shape, d_ffn = (len(recording.group.indices), len(recording.ffn)), recording.ffn[0].shape[1]
    scores = torch.empty_like(whole)
    evaluations, error, converged = (
        torch.empty(len(prompt), dtype=kind, device=prompt.device) for kind in (torch.int64, torch.float32, torch.bool)
    )

    def at(points: NDArray[np.float64], pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradient x (w - b), [pairs, points, d_ffn], and probability, [pairs, points]."""
        alpha = torch.as_tensor(points).float().to(prompt.device).repeat(len(pairs))[:, None]
        jobs = pairs.repeat_interleave(len(points))
        one = torch.ones_like(alpha)
        values, probability = integrate(recording, baseline, prompt[jobs], layer[jobs], alpha, one)
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
    return Integral(scores.view(*shape, -1), evaluations.view(shape), error.view(shape), converged.view(shape))


def _weighted(values: Tensor) -> Tensor:
    """Return the Clenshaw-Curtis sums, [pairs, d_ffn], of values at the points, [pairs, points, d_ffn]."""
    weights = torch.as_tensor(clenshaw_curtis(values.shape[1] - 1)[1]).float().to(values.device)
    return torch.einsum("pnf,n->pf", values, weights)


def _between(old: Tensor, new: Tensor) -> Tensor:
    """Put each new point between two old ones, along dimension 1."""
    result = torch.empty(old.shape[0], old.shape[1] + new.shape[1], *old.shape[2:], device=old.device)
    result[:, ::2], result[:, 1::2] = old, new
    return result
