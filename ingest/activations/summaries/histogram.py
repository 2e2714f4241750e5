"""Histogram and quantiles of each neuron over all sentences: one pass, mergeable, with a stated bound."""

from __future__ import annotations

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.loops import COMPILED, Loops

BINS = 64
LEVELS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
FINE = 2048
_MANTISSA = 22  # bin numbers stay below 2**23, where float32 still counts every integer


class Histogram:
    """Counts in up to 2,048 fine bins of width 2**e per neuron, on the grid of multiples of 2**e.

    e is the least exponent whose grid covers [min, max] of what was seen, so it depends on the extremes alone;
    when it grows, bins join in pairs. Hence the counts are the same in whatever order values come or parts merge.
    The width is at most (max - min) / 512: that is the bound on quantiles and on the edges of the 64 bins.

    The bin [b 2**e, (b + 1) 2**e) is counted in slot b mod 2048, so that nothing moves while e stays.
    """

    def __init__(self, n_neurons: int, loops: Loops = COMPILED, device: torch.device | str = "cpu") -> None:
        """Start empty on `device`."""
        self.loops = loops
        self.counts = torch.zeros((n_neurons, FINE), dtype=torch.int32, device=device)
        self.min = torch.full((n_neurons,), torch.inf, device=device)
        self.max = torch.full((n_neurons,), -torch.inf, device=device)
        self.exponent = torch.full((n_neurons,), -120, dtype=torch.int64, device=device)

    def update(self, values: Tensor, low: Tensor, high: Tensor) -> None:
        """Take in a chunk: values [neurons, sentences] float32, with its row minima and maxima [neurons]."""
        self._cover(low, high)
        self.loops.count(values, _scaled(torch.ones_like(low), -self.exponent), self.counts)

    def merge(self, other: Histogram) -> None:
        """Take in all that another summary of the same neurons holds."""
        self._cover(other.min, other.max)
        self._join(other.counts, other.min, other.exponent, self.exponent, self.counts)

    def _cover(self, low: Tensor, high: Tensor) -> None:
        """Widen the grid so that it holds [low, high] too."""
        low, high = torch.minimum(self.min, low), torch.maximum(self.max, high)
        exponent = _exponent(low.double(), high.double())
        moved = ((exponent != self.exponent) & (self.min <= self.max)).nonzero()[:, 0]  # others have no counts yet
        if len(moved):
            coarser = torch.zeros_like(self.counts[moved])
            self._join(self.counts[moved], self.min[moved], self.exponent[moved], exponent[moved], coarser)
            self.counts[moved] = coarser
        self.min[:], self.max[:], self.exponent[:] = low, high, exponent

    def _join(self, counts: Tensor, low: Tensor, fine: Tensor, coarse: Tensor, into: Tensor) -> None:
        """Add counts on the grid of exponent `fine`, whose least value is `low`, to those on the grid of `coarse`."""
        self.loops.join(counts, _first(low, fine)[:, 0], (coarse - fine).clamp(0, 62), into)

    @property
    def resolution(self) -> Tensor:
        """Width of the fine bins, [neurons]; 0 for a constant neuron."""
        return torch.where(self.min < self.max, _scaled(torch.ones_like(self.min), self.exponent), 0.0)

    def quantiles(self, levels: tuple[float, ...] = LEVELS) -> Tensor:
        """Return, per neuron and level q, the value below or at which ceil(q n) sentences lie; [neurons, levels]."""
        first, cumulative = self._cumulative()
        n = cumulative[:, -1:].double()
        ranks = (torch.tensor(levels, dtype=torch.float64, device=n.device) * n).ceil().clamp(min=1).long()
        bins = torch.searchsorted(cumulative, ranks) + first
        middles = _scaled(bins.double() + 0.5, self.exponent[:, None])
        return middles.clamp(self.min[:, None].double(), self.max[:, None].double()).float()

    def bins(self) -> tuple[Tensor, Tensor]:
        """Return the 65 edges, float32, and 64 counts, int64, of equal bins between minimum and maximum.

        A fine bin counts where its middle lies.
        """
        low, high = self.min[:, None].double(), self.max[:, None].double()
        inner = torch.linspace(0, 1, BINS + 1, dtype=torch.float64, device=low.device)
        edges = low + (high - low) * inner
        first, cumulative = self._cumulative()
        places = _scaled(edges, -self.exponent[:, None]) - first
        below = (places - 0.5).ceil().long().clamp(0, FINE)  # fine bins with their middle below the edge
        below[:, 0], below[:, -1] = 0, FINE
        reached = cumulative.gather(1, (below - 1).clamp(min=0)).where(below > 0, 0)
        return edges.float(), reached.diff(dim=1)

    def _cumulative(self) -> tuple[Tensor, Tensor]:
        """Return the minimum's fine bin [neurons, 1], and how many values lie in it and after it, [neurons, 2048]."""
        first = _first(self.min, self.exponent)
        return first, self.loops.cumulative(self.counts, first[:, 0])

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        return {name: getattr(self, name) for name in _STATE} | {"counts": _narrow(self.counts)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from `state()`."""
        for name in _STATE:
            getattr(self, name).copy_(state[name])


_STATE = ("counts", "min", "max", "exponent")


def _narrow(counts: Tensor) -> Tensor:
    """Return counts in the narrowest type that holds them: most of what is staged where K is small."""
    highest = int(counts.max())
    fits = (dtype for dtype in (torch.uint8, torch.int16) if highest <= torch.iinfo(dtype).max)
    return counts.to(next(fits, torch.int32))


def _scaled(values: Tensor, exponent: Tensor) -> Tensor:
    """Return values times 2**exponent, float32 or float64; the power is exact on every device, other than `ldexp`'s.

    exponent: from -126 to 127.
    """
    if values.dtype == torch.float32:
        return values * ((exponent + 127) << 23).int().view(torch.float32)
    return values * ((exponent + 1023) << 52).view(torch.float64)


def _first(low: Tensor, exponent: Tensor) -> Tensor:
    """Return the number of the bin that holds `low`, [neurons, 1]."""
    return _scaled(low.double(), -exponent).floor().nan_to_num(posinf=0).long()[:, None]


def _exponent(low: Tensor, high: Tensor) -> Tensor:
    """Return the least e with floor(high / 2**e) - floor(low / 2**e) < 2048, bin numbers below 2**23."""
    span, size = high - low, torch.maximum(high.abs(), low.abs())
    fits = torch.frexp(span).exponent.long() - 11  # span / 2**e in [1024, 2048): fits, or the next does
    overlap = _scaled(high, -fits).floor() - _scaled(low, -fits).floor() >= FINE
    countable = torch.frexp(size).exponent.long() - _MANTISSA
    return torch.where(span > 0, fits + overlap, countable).maximum(countable).clamp(min=-120)
