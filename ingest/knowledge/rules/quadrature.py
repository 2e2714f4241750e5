"""Points and weights of integrals over [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fixed_points(name: str, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points and weights of `riemann` (Dai et al. 2021) or `linspace` (EleutherAI/knowledge-neurons)."""
    weights = np.full(steps, 1 / steps)
    return (np.linspace(0, 1, steps) if name == "linspace" else np.arange(1, steps + 1) / steps), weights


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
