"""Live activations: the model runs over a few texts, for the command line and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from warehouse.errors import UsageError
from warehouse.neurons import Neuron
from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from ingest.live import TokenActivations
    from ingest.models import LoadedModel


# Sessions of a dashboard share the loaded model, and reading a neuron hooks into it.
_ONE_AT_A_TIME = Lock()


def token_activations(warehouse: Warehouse, neuron: Neuron, texts: Sequence[str]) -> list[TokenActivations]:
    """Return a neuron's activation at every token of each text; the model stays loaded for the next call.

    UsageError for a checkpoint that the warehouse does not know; ModelError where it can no longer be loaded.
    """
    from ingest.live import activations_at_tokens

    found = warehouse.sql(
        "select source, weights_sha256 from checkpoints where model = $1 and checkpoint = $2",
        [neuron.model, neuron.checkpoint],
    ).fetchall()
    if not found:
        raise UsageError(f"no checkpoint {neuron.model}@{neuron.checkpoint} in {warehouse.storage}")
    with _ONE_AT_A_TIME:
        return activations_at_tokens(_load(found[0][0], neuron.checkpoint, neuron.model), neuron, texts)


@lru_cache(maxsize=2)
def _load(source: str, checkpoint: str, name: str) -> LoadedModel:
    from ingest.models import load

    return load(source, None if checkpoint == "main" else checkpoint, name=name)
