"""The name of a neuron."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import short_name, split_checkpoint
from nwh.warehouse.sites import site_of

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
        return f"{self.model}@{self.checkpoint}/{self.within}"

    @property
    def within(self) -> str:
        """SITE/LAYER/NEURON: the name within its model."""
        return f"{self.site}/{self.layer}/{self.neuron}"

    @property
    def params(self) -> dict[str, Any]:
        """The place as named SQL parameters."""
        return dict(vars(self))


def parse_neuron(name: str) -> Neuron:
    """Read MODEL[@CHECKPOINT]/SITE/LAYER/NEURON, or …/HOOK_POINT/NEURON; UsageError where it is of neither form.

    >>> str(parse_neuron("gpt2/blocks.3.mlp.hook_post/17"))
    'gpt2@main/ffn/3/17'
    """
    found = _NAME.fullmatch(name)
    if not found:
        return _of_hook_point(name)
    return Neuron(
        short_name(found["model"]),
        found["checkpoint"] or "main",
        found["site"],
        int(found["layer"]),
        int(found["neuron"]),
    )


def _of_hook_point(name: str) -> Neuron:
    """Read MODEL[@CHECKPOINT]/HOOK_POINT/NEURON, where the hook point is a site and a layer: see `site_of`."""
    wrong = UsageError(f"{name!r} does not name a neuron: write MODEL[@CHECKPOINT]/SITE/LAYER/NEURON")
    parts = name.rsplit("/", 2)
    if len(parts) != 3 or not re.fullmatch("[0-9]{1,9}", parts[2]):
        raise wrong
    try:
        site, layer = site_of(parts[1])
    except UsageError:
        raise wrong from None
    if layer is None:
        raise wrong
    model, checkpoint = split_checkpoint(parts[0])
    return Neuron(short_name(model), checkpoint or "main", site, layer, int(parts[2]))
