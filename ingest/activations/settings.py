"""What a user of job `activations` can choose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nwh.ingest.models import SITES
from nwh.warehouse.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What a user can choose; see `nwh ingest activations --help`.

    layers: those whose neurons have rows, from 0; null for all. A unit holds the layers of its last run.
    """

    sites: tuple[str, ...] = SITES
    k: int = 10_000
    aggregate: str = "mean"
    special_tokens: bool = False
    sample: int = 1000
    seed: int = 0
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if unknown := [site for site in self.sites if site not in SITES]:
            raise UsageError(f"site {unknown[0]!r} is not known: use {' or '.join(SITES)}")
        if self.k < 1 or self.sample < 0:
            raise UsageError(f"--k must be at least 1 and --sample at least 0, not {self.k} and {self.sample}")

    @property
    def described(self) -> dict[str, Any]:
        """What `runs.settings` says of them: layers only where not all of them were asked for."""
        said = {**asdict(self), "sites": list(self.sites)}
        layers = said.pop("layers")
        return said if layers is None else {**said, "layers": sorted(set(layers))}

    def layers_of(self, n_layers: int, model: str) -> list[int]:
        """Return the layers asked for, ascending, of a model that has `n_layers`; UsageError for others."""
        if self.layers is None:
            return list(range(n_layers))
        if outside := [layer for layer in self.layers if not 0 <= layer < n_layers]:
            raise UsageError(f"{model} has layers 0 to {n_layers - 1}: there is no {outside[0]}, choose with --layer")
        return sorted(set(self.layers))
