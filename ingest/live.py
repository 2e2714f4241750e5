"""Live activations: the model runs over a few texts, for the command line and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from nwh.warehouse.errors import UsageError
from nwh.warehouse.neurons import Neuron
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nwh.ingest.models import LoadedModel
    from nwh.ingest.output_tokens import OutputTokens
    from nwh.ingest.text_activations import TokenActivations


# Sessions of a dashboard share the loaded model, and reading a neuron hooks into it.
_ONE_AT_A_TIME = Lock()


def token_activations(warehouse: Warehouse, neuron: Neuron, texts: Sequence[str]) -> list[TokenActivations]:
    """Return a neuron's activation at every token of each text; the model stays loaded for the next call.

    UsageError for a checkpoint that the warehouse does not know; ModelError where it can no longer be loaded.
    """
    from nwh.ingest.text_activations import activations_at_tokens

    source, _, family = _checkpoint(warehouse, neuron.model, neuron.checkpoint)
    with _ONE_AT_A_TIME:
        return activations_at_tokens(_load(source, neuron.checkpoint, neuron.model, family), neuron, texts)


def text_activations(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, text: str, aggregate: str, special_tokens: bool
) -> NDArray[np.float32]:
    """Return every neuron's activation on a text taken as one sentence, [layers, neurons]; the model stays loaded.

    aggregate, special_tokens: as in the settings of job `activations`. UsageError for a checkpoint that the warehouse
    does not know and for a text of fewer than 3 tokens; ModelError where the checkpoint can no longer be loaded.
    """
    from nwh.ingest.text_activations import activations_of_text

    source, _, family = _checkpoint(warehouse, model, checkpoint)
    with _ONE_AT_A_TIME:
        return activations_of_text(_load(source, checkpoint, model, family), site, text, aggregate, special_tokens)


def output_tokens(warehouse: Warehouse, neuron: Neuron, k: int) -> OutputTokens:
    """Return the k tokens that a neuron's output weights raise most, and lower most; the model stays loaded.

    UsageError for site `hidden`, and for a checkpoint that the warehouse does not know or that has no head over a
    vocabulary; ModelError where it can no longer be loaded.
    """
    if neuron.site != "ffn":
        raise UsageError(f"{neuron} has no output weights of its own: neurons of site ffn have")
    source, objective, family = _checkpoint(warehouse, neuron.model, neuron.checkpoint)
    if objective == "encoder":
        raise UsageError(f"{neuron.model}@{neuron.checkpoint} has no language-model head, so no output tokens")
    from nwh.ingest.output_tokens import output_tokens as tokens_of

    with _ONE_AT_A_TIME:
        model = _load(source, neuron.checkpoint, neuron.model, family, head=True)
        return tokens_of(model, neuron.layer, neuron.neuron, k)


def _checkpoint(warehouse: Warehouse, model: str, checkpoint: str) -> tuple[str, str, str | None]:
    """Return source and objective of a checkpoint, and the description of a family that nwh does not know."""
    with warehouse.cursor() as cursor:
        query = "select source, objective, family_description from checkpoints where model = $1 and checkpoint = $2"
        found = cursor.execute(query, [model, checkpoint]).fetchall()
    if not found:
        raise UsageError(f"no checkpoint {model}@{checkpoint} in {warehouse.storage}")
    source, objective, family = found[0]
    return str(source), str(objective), family


@lru_cache(maxsize=2)
def _load(source: str, checkpoint: str, name: str, family: str | None, head: bool = False) -> LoadedModel:
    from nwh.ingest.models import load
    from nwh.ingest.models.families import described

    return load(source, None if checkpoint == "main" else checkpoint, name=name, head=head, family=described(family))
