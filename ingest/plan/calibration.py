"""What a job takes for the groups of items that it runs together, from some of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.estimate import timed

T = TypeVar("T")


@dataclass(frozen=True)
class Calibration:
    """Seconds of each group and of each unit of work in it, and those of a process's first; items that were timed."""

    of_group: float
    of_unit: float
    once: float
    n: int

    def seconds(self, works: Iterable[float]) -> float:
        """Return what groups of so many units take."""
        return sum(self.of_group + self.of_unit * work for work in works)


def calibrated(
    model: LoadedModel,
    groups: Sequence[Sequence[T]],
    work: Callable[[Sequence[T]], float],
    run: Callable[[Sequence[T]], object],
    seconds: float,
) -> Calibration:
    """Return what groups take, timed on some of them.

    A group of twice as many does not take twice as long, and how many a group has is up to the job. So what is timed
    are groups as the job has them, or parts of these where there is no time for all, and larger and larger parts of
    the largest: a line through all says what any takes.
    work: units of a group, or of a part of it. run: does it. seconds: about how long this takes.
    """
    draw = np.random.default_rng(0)
    found: list[tuple[float, float]] = []
    n, size, largest = 0, 1, max(groups, key=len)

    def take(group: Sequence[T]) -> float:
        nonlocal n
        part = [group[i] for i in np.sort(draw.permutation(len(group))[:size])]
        n += len(part)
        taken = timed(model, lambda: run(part))
        found.append((work(part), taken))
        return taken

    first = timed(model, lambda: run(largest[:1]))  # and all that is loaded once
    began, taken = time.monotonic(), take(largest)
    once = max(0.0, first - taken)
    while size < len(largest) and (size == 1 or time.monotonic() - began + 2 * taken < seconds / 2):
        size *= 2
        taken = take(largest)
    for i in draw.permutation(len(groups)):
        if time.monotonic() - began > seconds:
            break
        take(groups[i])
    return Calibration(*_line(found), once, n)


def _line(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return seconds of a group and of a unit, none below 0, that make up what all groups took."""
    works, taken = np.array(found).T
    of_unit, apart = float(taken.sum() / works.sum()), works - works.mean()
    if apart.any():
        of_unit = min(max(0.0, float(apart @ taken / (apart @ apart))), of_unit)
    return float(taken.mean() - of_unit * works.mean()), of_unit
