"""What a job will cost: one line for each unit, on one machine and on several."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nwh.ingest.models import LoadedModel


@dataclass(frozen=True)
class Timing:
    """How a device is timed: about `seconds` long; or not at all where `rate` says how much it does in a second."""

    seconds: float = 20.0
    rate: float | None = None


SHARDS = 2
"""Shards of each machine, as `--on ray` makes them."""


@dataclass(frozen=True)
class Estimate:
    """The cost of one job on one unit, or on several that cost the same.

    of: what it is done with. units: how many sentences, prompts or edits. per_second: of them, on one machine.
    alone: seconds that more machines do not make fewer: rows are written by one. memory: bytes of the device, or of
    main memory where that is the device. disk: bytes of what is stored. note: what the figures rest on.
    stage, merge: seconds that each shard takes where several machines share the units: to stage, on each of them; to
    merge, on the one that stores all.
    """

    job: str
    of: str
    units: int
    unit: str
    per_second: float
    alone: float
    memory: int
    disk: int
    note: str
    stage: float = 0.0
    merge: float = 0.0

    def seconds(self, machines: int = 1) -> float:
        """Return how long it takes where machines share the units equally, in SHARDS shards each."""
        shared = SHARDS * (self.stage + machines * self.merge) if machines > 1 else 0.0
        return self.units / self.per_second / machines + self.alone + shared


COLUMNS = ("job", "of", "units", "unit", "per_second", "seconds", "memory_gb", "disk_gb", "note")


def lines(estimates: Sequence[Estimate], machines: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows of a table: each estimate, and where there are several their sum.

    machines: where more than one, a column says the seconds of so many.
    """
    names = [*COLUMNS[:6], *([f"seconds_on_{machines}"] if machines > 1 else []), *COLUMNS[6:]]

    def row(head: tuple[Any, ...], of: Sequence[Estimate], note: str) -> tuple[Any, ...]:
        seconds = [sum(each.seconds(n) for each in of) for n in (1, machines)[: 1 + (machines > 1)]]
        memory, disk = max(each.memory for each in of), sum(each.disk for each in of)
        return (*head, *(round(each, 1) for each in seconds), round(memory / 1e9, 3), round(disk / 1e9, 3), note)

    rows = [row((e.job, e.of, e.units, e.unit, round(e.per_second, 3)), [e], e.note) for e in estimates]
    if len(estimates) > 1:
        rows.append(row(("all", None, None, None, None), estimates, "one after the other"))
    return names, rows


def enough(few: int, taken: float, seconds: float, most: int) -> int:
    """Return how many units take about so many seconds, where a few have taken `taken`; no fewer, at most `most`."""
    return max(few, min(most, int(few * seconds / max(taken, 1e-6))))


def weights_bytes(model: LoadedModel) -> int:
    """Return the bytes that a model's weights take."""
    return sum(parameter.nbytes for parameter in model.module.parameters())


def timed(model: LoadedModel, work: Callable[[], Any]) -> float:
    """Return the seconds that some work with a model takes, until its device has done it."""
    began = time.monotonic()
    work()
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return time.monotonic() - began
