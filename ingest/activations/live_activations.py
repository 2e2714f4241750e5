"""Live activations: the model runs over a few texts, for the command line and for pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.storage.runs import unit_name
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from nwh.ingest.activations.text_activations import TokenActivations, WholeText
    from nwh.ingest.knowledge.output_tokens import OutputTokens
    from nwh.ingest.models import LoadedModel


# Sessions of a dashboard share the loaded model, and reading a neuron hooks into it.
_ONE_AT_A_TIME = Lock()


def token_activations(
    warehouse: Warehouse, neuron: Neuron, texts: Sequence[str], *, download: bool = False
) -> list[TokenActivations]:
    """Return a neuron's activation at every token of each text; the model stays loaded for the next call.

    download: whether a model of the hub that is not on this machine is fetched.
    UsageError for a checkpoint that the warehouse does not know; ModelError where it can no longer be loaded, has
    other weights now, or would have to be fetched.
    """
    from nwh.ingest.activations.text_activations import activations_at_tokens

    stored = _checkpoint(warehouse, neuron.model, neuron.checkpoint)
    with _ONE_AT_A_TIME:
        return activations_at_tokens(_load(stored, download=download), neuron, texts)


def layer_activations(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    site: str,
    layer: int,
    texts: Sequence[str],
    neurons: Sequence[Sequence[int]],
) -> list[list[TokenActivations]]:
    """Return for each text the activations of its own list of a layer's neurons at every token; as for one neuron.

    A model of the hub that is not on this machine is fetched. Raises as `token_activations` does.
    """
    from nwh.ingest.activations import text_activations

    stored = _checkpoint(warehouse, model, checkpoint)
    with _ONE_AT_A_TIME:
        return text_activations.layer_activations(_load(stored, download=True), site, layer, texts, neurons)


def text_activations(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, text: str, aggregate: str, special_tokens: bool
) -> WholeText:
    """Return every neuron's activation on a text taken as one sentence; the model stays loaded.

    aggregate, special_tokens: as in the settings of job `activations`. UsageError for a checkpoint that the warehouse
    does not know and for a text without tokens; ModelError as for `token_activations`.
    """
    from nwh.ingest.activations.text_activations import activations_of_text

    stored = _checkpoint(warehouse, model, checkpoint)
    with _ONE_AT_A_TIME:
        return activations_of_text(_load(stored), site, text, aggregate, special_tokens)


def output_tokens(warehouse: Warehouse, neuron: Neuron, k: int) -> OutputTokens:
    """Return the k tokens that a neuron's output weights raise most, and lower most; the model stays loaded.

    UsageError for site `hidden`, and for a checkpoint that the warehouse does not know or that has no head over a
    vocabulary; ModelError as for `token_activations`.
    """
    return layer_output_tokens(warehouse, neuron, [neuron.neuron], k)[0]


def layer_output_tokens(
    warehouse: Warehouse, neuron: Neuron, neurons: Sequence[int], k: int, *, download: bool = False
) -> list[OutputTokens]:
    """Return the same of several neurons of the layer that one of them is in. Raises as `output_tokens` does."""
    if neuron.site != "ffn":
        raise UsageError(f"{neuron} has no output weights of its own: neurons of site ffn have")
    stored = _checkpoint(warehouse, neuron.model, neuron.checkpoint)
    if stored.objective == "encoder":
        raise UsageError(f"{neuron.model}@{neuron.checkpoint} has no language-model head, so no output tokens")
    from nwh.ingest.knowledge.output_tokens import output_tokens as tokens_of

    with _ONE_AT_A_TIME:
        return tokens_of(_load(stored, head=True, download=download), neuron.layer, neurons, k)


class _Stored(NamedTuple):
    """What a warehouse says of a checkpoint: what loads it as it was loaded, and what it has to be then."""

    model: str
    checkpoint: str
    source: str
    revision: str | None
    family: str | None
    objective: str
    weights_sha256: str
    dtype: str
    pickled: bool


def _checkpoint(warehouse: Warehouse, model: str, checkpoint: str) -> _Stored:
    with warehouse.cursor() as cursor:
        row = cursor.execute(
            "select source, revision, family_description, objective, weights_sha256 from checkpoints "
            "where model = $1 and checkpoint = $2",
            [model, checkpoint],
        ).fetchone()
        if row is None:
            raise UsageError(f"no checkpoint {model}@{checkpoint} in {warehouse.storage}")
        unit = unit_name({"model": model, "checkpoint": checkpoint})
        run = cursor.execute(
            "select versions from runs where starts_with(unit || '/', $1) "
            "order by job = 'activations' desc, started_at desc limit 1",
            [f"{unit}/"],
        ).fetchone()
    how = json.loads(run[0]) if run else {}
    source, revision, family, objective, sha256 = row
    return _Stored(
        model,
        checkpoint,
        source,
        revision,
        family,
        objective,
        sha256,
        how.get("dtype", "float32"),
        how.get("pickled", False),
    )


@lru_cache(maxsize=2)
def _load(stored: _Stored, head: bool = False, download: bool = False) -> LoadedModel:
    from nwh.ingest.models import hub, load, resolve
    from nwh.ingest.models.families import described

    name, label = f"{stored.model}@{stored.checkpoint}", None if stored.checkpoint == "main" else stored.checkpoint
    source = resolve(stored.source, label, stored.model)
    if source.is_hub and not download and not hub.is_cached(source.location, stored.revision or "main"):
        raise ModelError(
            f"{name} ({source}) is on the hub and not on this machine, and pages download nothing: "
            f'`nwh show tokens {name}/ffn/0/0 "a text"` fetches it'
        )
    loaded = load(
        stored.source,
        label,
        name=stored.model,
        head=head,
        dtype=stored.dtype,
        allow_pickle=stored.pickled,  # whoever ingested the model allowed it; still through `weights_only`
        family=described(stored.family),
        revision=stored.revision,
    )
    if loaded.checkpoint.weights_sha256 != stored.weights_sha256:
        raise ModelError(
            f"{source} has other weights now than those whose activations are stored as {name}: put the earlier ones "
            f"back, or ingest these as another model (`nwh ingest activations --model {stored.source} --as NAME`)"
        )
    return loaded
