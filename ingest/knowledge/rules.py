"""Rules for the integral of the gradient from no activation to the whole of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nwh.warehouse.errors import UsageError

RULES = ("adaptive", "riemann", "linspace")


@dataclass(frozen=True)
class Rule:
    """How the integral over alpha from 0 to 1 is taken.

    name: `riemann` (alpha = k / steps, k from 1), `linspace` (steps points from 0 to 1, both included) or `adaptive`
        (5 points, then 9, 17 ... until the layer converges; points taken before are used again).
    steps: evaluations per layer of `riemann` and `linspace`.
    tolerance: the completeness error at which a layer has converged, as a share of the largest probability met on
        the way from 0 to w, since an answer's probability may be 0.5 or 1e-6.
    agreement: `adaptive` has converged only if the last doubling of points also moved the scores by no more than
        this share (L2): on SmolLM2-135M a sharp layer met the completeness of 1 % by luck, its scores 47 % off.
    max_evaluations: of `adaptive`, where a layer that does not converge is left.

    Measured on SmolLM2-135M (8 prompts x 30 layers): 1 % and 10 % leave the scores within 1 % (L2) of the converged
    integral in every layer that converges, for 7 evaluations per layer; `riemann` with 20 is up to 74 % off.
    """

    name: str
    steps: int = 20
    tolerance: float = 0.01
    agreement: float = 0.1
    max_evaluations: int = 129


def rule_named(name: str, steps: int = 20) -> Rule:
    """Return a rule by its name; UsageError: no such rule, or fewer than 1 step."""
    if name not in RULES:
        raise UsageError(f"rule {name!r} is not known: use {', '.join(RULES)}")
    if steps < 1:
        raise UsageError(f"{steps} steps cannot approximate an integral: use 1 or more, such as 20")
    return Rule(name, steps)


def fixed_points(rule: Rule) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points and weights of `riemann` (Dai et al. 2021) or `linspace` (EleutherAI/knowledge-neurons)."""
    weights = np.full(rule.steps, 1 / rule.steps)
    if rule.name == "linspace":
        return np.linspace(0, 1, rule.steps), weights
    return np.arange(1, rule.steps + 1) / rule.steps, weights


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
