"""The name of a neuron."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import short_name

_NAME = re.compile(r"(?P<model>.+?)(?:@(?P<checkpoint>[^/@]+))?/(?P<site>hidden|ffn)/(?P<layer>\d+)/(?P<neuron>\d+)")


@dataclass(frozen=True)
class Neuron:
    """A neuron's place: layer and neuron from 0."""

    model: str
    checkpoint: str
    site: str
    layer: int
    neuron: int

    def __str__(self) -> str:
        """Return MODEL@CHECKPOINT/SITE/LAYER/NEURON."""
        return f"{self.model}@{self.checkpoint}/{self.site}/{self.layer}/{self.neuron}"

    @property
    def params(self) -> dict[str, Any]:
        """The place as named SQL parameters."""
        return dict(vars(self))


def parse_neuron(name: str) -> Neuron:
    """Read MODEL[@CHECKPOINT]/SITE/LAYER/NEURON; UsageError where it is not of that form."""
    found = _NAME.fullmatch(name)
    if not found:
        raise UsageError(f"{name!r} does not name a neuron: write MODEL[@CHECKPOINT]/SITE/LAYER/NEURON")
    return Neuron(
        short_name(found["model"]),
        found["checkpoint"] or "main",
        found["site"],
        int(found["layer"]),
        int(found["neuron"]),
    )
