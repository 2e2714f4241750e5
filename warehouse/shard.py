"""One of several equal shares of a job's work, for runs that several machines share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nwh.warehouse.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """Share `i` of `n`, counted from 1."""

    i: int = 1
    n: int = 1

    def __str__(self) -> str:
        """Return it as `--shard` takes it: `3/8`."""
        return f"{self.i}/{self.n}"

    def of(self, size: int) -> range:
        """Return the share of things numbered from 0: side by side, sizes differ by one at most, empty if too few."""
        return range(size * (self.i - 1) // self.n, size * self.i // self.n)


WHOLE = Shard()
MERGE = Shard(0, 0)
"""No share of the work, but to store what all shards have staged."""


def shard_of(text: str) -> Shard:
    """Return the share that `3/8` names; UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard {text!r} is not a share: I/N is, from 1/N to N/N, as in 3/8")
    return Shard(int(found[1]), int(found[2]))
