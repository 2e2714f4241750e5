"""Mean, standard deviation, skewness, kurtosis, extremes of each neuron: streaming, mergeable."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.loops import COMPILED, Loops


class Moments:
    """Count, mean and central moments of each neuron's activations, in float64.

    Chunks are summarised around their own mean and merged by the formulas of Pébay (2008, "Formulas for Robust,
    One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical Moments", eq. 3.1).
    """

    def __init__(self, n_neurons: int, loops: Loops = COMPILED, device: torch.device | str = "cpu") -> None:
        """Start empty on `device`."""
        self.loops = loops
        self.n = 0
        self.mean, self.m2, self.m3, self.m4 = torch.zeros(4, n_neurons, dtype=torch.float64, device=device)
        self.min = torch.full((n_neurons,), torch.inf, device=device)
        self.max = torch.full((n_neurons,), -torch.inf, device=device)
        self.positive = torch.zeros(n_neurons, dtype=torch.int64, device=device)

    def update(self, values: Tensor, low: Tensor, high: Tensor) -> None:
        """Take in a chunk: values [neurons, sentences] float32, with its row minima and maxima [neurons]."""
        chunk = Moments.__new__(Moments)
        chunk.n = n = values.shape[1]
        centre, s1, s2, s3, s4, positive = self.loops.central_sums(values)
        s1, s2, s3, s4 = s1 / n, s2 / n, s3 / n, s4 / n  # `centre` is the mean but for rounding; s1 is the rest
        chunk.mean = centre + s1
        chunk.m2 = n * (s2 - s1**2)
        chunk.m3 = n * (s3 - 3 * s1 * s2 + 2 * s1**3)
        chunk.m4 = n * (s4 - 4 * s1 * s3 + 6 * s1**2 * s2 - 3 * s1**4)
        chunk.min, chunk.max = low, high
        chunk.positive = positive.long()
        self.merge(chunk)

    def merge(self, other: Moments) -> None:
        """Take in all that another summary of the same neurons holds."""
        if other.n == 0:
            return
        a, b = self.n, other.n
        n = a + b
        delta = other.mean - self.mean
        m2, m3 = self.m2, self.m3
        self.m4[:] = (
            self.m4
            + other.m4
            + delta**4 * (a * b * (a * a - a * b + b * b) / n**3)
            + 6 * delta**2 * (a * a * other.m2 + b * b * m2) / n**2
            + 4 * delta * (a * other.m3 - b * m3) / n
        )
        self.m3[:] = m3 + other.m3 + delta**3 * (a * b * (a - b) / n**2) + 3 * delta * (a * other.m2 - b * m2) / n
        self.m2[:] = m2 + other.m2 + delta**2 * (a * b / n)
        self.mean += delta * (b / n)
        self.n = n
        torch.minimum(self.min, other.min, out=self.min)
        torch.maximum(self.max, other.max, out=self.max)
        self.positive += other.positive

    def part(self, neurons: slice) -> Moments:
        """Return the moments of some of the neurons: they share this one's memory, but for the count `n`."""
        made = copy(self)
        for name in _STATE:
            setattr(made, name, getattr(self, name)[neurons])
        return made

    @classmethod
    def beside(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of the same sentences for the neurons of all parts, one part's after the other's."""
        made = copy(parts[0])
        for name in _STATE:
            setattr(made, name, torch.cat([getattr(part, name) for part in parts]))
        return made

    @property
    def std(self) -> Tensor:
        """Standard deviation of the population, [neurons] float64."""
        variance: Tensor = self.m2 / max(self.n, 1)
        return variance.clamp(min=0).sqrt()

    @property
    def skewness(self) -> Tensor:
        """Third standardised moment, [neurons] float64; 0 for a constant neuron."""
        return self._standardised(self.m3, 3)

    @property
    def kurtosis(self) -> Tensor:
        """Excess kurtosis, [neurons] float64; 0 for a constant neuron."""
        excess = self._standardised(self.m4, 4) - 3
        return torch.where(self.min < self.max, excess, 0.0)

    def _standardised(self, moment: Tensor, power: int) -> Tensor:
        varies = (self.min < self.max) & (self.std > 0)
        return torch.where(varies, moment / max(self.n, 1) / torch.where(varies, self.std, 1.0) ** power, 0.0)

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        return {"n": torch.tensor(self.n)} | {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from `state()`."""
        self.n = int(state["n"])
        for name in _STATE:
            getattr(self, name).copy_(state[name])


_STATE = ("mean", "m2", "m3", "m4", "min", "max", "positive")
