"""Integrated gradients: the integral over the way from a baseline b to w, joint over a layer.

    Attr_i = (w_i - b_i) * integral_0^1 dP(b + alpha (w - b)) / dw_i d alpha

with b = 0: Dai et al. 2021, arXiv 2104.08696, equation 3. The sum over a layer is P(w) - P(b): completeness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rules.gradients import gradients_at
from nwh.ingest.knowledge.rules.rule import Rule
from nwh.ingest.models.devices import sent


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
    kinds = (torch.int64, torch.float32, torch.bool)
    columns = (torch.empty(whole.shape[:2], dtype=kind, device=whole.device) for kind in kinds)
    found = Integral(torch.empty(whole.shape, device=whole.device), *columns)
    of_pairs = Integral(*(values.flatten(0, 1) for values in vars(found).values()))  # the same memory
    (_adaptive if rule.name == "adaptive" else _fixed)(_Ways(recording, baseline, whole.flatten(0, 1)), rule, of_pairs)
    return found


class _Ways:
    """The ways from b to w: one for each pair of a prompt and a layer."""

    def __init__(self, recording: Recording, baseline: Tensor, whole: Tensor) -> None:
        n_prompts, n_layers = len(recording.group.indices), len(recording.ffn)
        self.recording, self.baseline, self.whole = recording, baseline, whole
        self.prompt = np.arange(n_prompts).repeat(n_layers)
        self.layer = np.tile(np.arange(n_layers), n_prompts)

    def parts(self, points: int) -> Iterator[NDArray[np.int64]]:
        """Yield all pairs, as many at a time as there is room for gradients at so many points."""
        most = max(1, self.recording.group.room.gradients // (4 * points * self.whole.shape[1]))
        for start in range(0, len(self.prompt), most):
            yield np.arange(start, min(start + most, len(self.prompt)))

    def at_w(self, pairs: NDArray[np.int64]) -> Tensor:
        """Return P where nothing is changed, [pairs]."""
        return self.recording.probability[sent(self.prompt[pairs], self.whole.device)]

    def at(self, points: NDArray[np.float64], pairs: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return gradient x (w - b), [pairs, points, d_ffn], and P, [pairs, points], at ascending points of the way."""
        below = points[points < 1]
        rows, alpha = pairs.repeat(len(below)), np.tile(below, len(pairs))
        values, probability = gradients_at(self.recording, self.baseline, self.prompt[rows], self.layer[rows], alpha)
        probability = probability.view(len(pairs), len(below))
        values = values.view(len(pairs), len(values) // len(pairs), self.whole.shape[1])
        if len(below) == len(points):
            return values, probability
        whole = self.whole[sent(pairs, self.whole.device), None]
        return torch.cat([values, whole], 1), torch.cat([probability, self.at_w(pairs)[:, None]], 1)


def _fixed(ways: _Ways, rule: Rule, found: Integral) -> None:
    """Fill in what `riemann` (Dai et al. 2021) or `linspace` (EleutherAI/knowledge-neurons) finds."""
    steps = rule.steps
    points = np.linspace(0, 1, steps) if rule.name == "linspace" else np.arange(1, steps + 1) / steps
    found.evaluations.fill_(steps)
    for pairs in ways.parts(len(points)):
        part, at_one = slice(pairs[0], pairs[-1] + 1), ways.at_w(pairs)
        values, probability = ways.at(points, pairs)
        if points[0] == 0:
            at_zero = probability[:, 0]
        else:
            with torch.no_grad():
                at_zero = ways.at(np.zeros(1), pairs)[1][:, 0]
        found.scores[part] = values.mean(1)
        found.error[part] = (found.scores[part].sum(1) - (at_one - at_zero)).abs()
        found.converged[part] = found.error[part] <= rule.tolerance * torch.maximum(probability.amax(1), at_one)


def _adaptive(ways: _Ways, rule: Rule, found: Integral) -> None:
    """Fill in what `adaptive` finds: all pairs at once, then those that are still open at twice as many points."""
    device = ways.whole.device
    for pairs in ways.parts(rule.max_evaluations):
        n = 4
        values, probability = ways.at(clenshaw_curtis(n)[0], pairs)
        while len(pairs):
            estimate, before = _curtis(values), _curtis(values[:, ::2])
            off = (estimate.sum(1) - (probability[:, -1] - probability[:, 0])).abs()
            agrees = (estimate - before).norm(dim=1) <= rule.agreement * estimate.norm(dim=1)
            good = agrees & (off <= rule.tolerance * probability.amax(1))
            done = (good | (2 * n + 1 > rule.max_evaluations)).cpu().numpy()  # where a doubling waits for the device
            ended, going = (sent(np.flatnonzero(which), device) for which in (done, ~done))
            closed = sent(pairs[done], device)
            found.scores[closed], found.evaluations[closed] = estimate[ended], n + 1
            found.error[closed], found.converged[closed] = off[ended], good[ended]
            pairs, n = pairs[~done], 2 * n
            if len(pairs):
                between = ways.at(clenshaw_curtis(n)[0][1::2], pairs)
                values, probability = _between(values[going], between[0]), _between(probability[going], between[1])


def _curtis(values: Tensor) -> Tensor:
    """Return Clenshaw-Curtis sums, [pairs, d_ffn], of values at its points, [pairs, points, d_ffn]."""
    weights = clenshaw_curtis(values.shape[1] - 1)[1].astype(np.float32)
    return torch.einsum("pnf,n->pf", values, sent(weights, values.device))


def clenshaw_curtis(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the n + 1 points and weights of Clenshaw-Curtis quadrature on [0, 1]; n is even.

    Every second point is one of those for n / 2, and both ends are among them, which gives P(0) and P(w).
    Source: Waldvogel 2006, BIT 46, equation 2.4.
    """
    angle = np.pi * np.arange(n + 1) / n
    k = np.arange(1, n // 2 + 1)
    factor = np.where(k == n // 2, 1, 2) / (4 * k**2 - 1)
    weights = (1 - np.cos(2 * np.outer(angle, k)) @ factor) / n
    weights[[0, -1]] /= 2
    return (1 - np.cos(angle)) / 2, weights


def _between(old: Tensor, new: Tensor) -> Tensor:
    """Put each new point between two old ones, along dimension 1."""
    result = torch.empty(old.shape[0], old.shape[1] + new.shape[1], *old.shape[2:], device=old.device)
    result[:, ::2], result[:, 1::2] = old, new
    return result
