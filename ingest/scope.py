"""The neurons that a job reads, and the corpora whose sentences tell about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.stored import counted_sentences, site_sizes, source_run, stored_layers
from nwh.warehouse import Warehouse
from nwh.warehouse.names import scope_of
from nwh.warehouse.storage.runs import Unit

OF_SCOPE = "model = $model and checkpoint = $checkpoint and site = $site and list_contains($corpora, corpus)"
"""Condition on the rows of a scope, with the parameters of `Scope.place`."""


@dataclass(frozen=True)
class Scope:
    """Neurons of one site of a checkpoint, and the corpora that their sentences are from.

    layers: those stored of all corpora. kept: by corpus, sentences stored of each neuron's pole. counted: by corpus,
    sentences that counted for the model. sources: by corpus, the run that stored the activations.
    """

    model: str
    checkpoint: str
    site: str
    layers: tuple[int, ...]
    n_neurons: int
    kept: dict[str, int]
    counted: dict[str, int]
    sources: dict[str, str | None]

    def __str__(self) -> str:
        return f"{self.model}@{self.checkpoint}/{self.site}"

    @property
    def corpora(self) -> list[str]:
        """The corpora, sorted."""
        return sorted(self.kept)

    @property
    def name(self) -> str:
        """The column `scope`."""
        return scope_of(self.kept)

    @property
    def unit(self) -> Unit:
        """The columns that say which neurons and sentences these are."""
        return {"model": self.model, "checkpoint": self.checkpoint, "site": self.site, "scope": self.name}

    @property
    def place(self) -> dict[str, Any]:
        """Named SQL parameters that filter to these activations, by OF_SCOPE."""
        return {"model": self.model, "checkpoint": self.checkpoint, "site": self.site, "corpora": self.corpora}

    @property
    def limits(self) -> dict[str, int]:
        """Sentences kept of each pole, of the corpora that have more than are kept."""
        return {corpus: kept for corpus, kept in self.kept.items() if kept < self.counted[corpus]}

    @property
    def k(self) -> int:
        """How many sentences are kept of each pole over all corpora."""
        return min(self.limits.values(), default=sum(self.counted.values()))

    def over(self, corpora: Collection[str]) -> Scope:
        """Return the part that is over some of its corpora; the layers are those of all."""
        return replace(
            self,
            kept={corpus: self.kept[corpus] for corpus in corpora},
            counted={corpus: self.counted[corpus] for corpus in corpora},
            sources={corpus: self.sources[corpus] for corpus in corpora},
        )


def read_scope(warehouse: Warehouse, model: str, checkpoint: str, site: str, kept: dict[str, int]) -> Scope:
    """Return the scope over the corpora whose sentences are `kept`; UsageError where they have no layer in common."""
    counted = counted_sentences(warehouse, model, checkpoint)
    unit = {"model": model, "checkpoint": checkpoint}
    return Scope(
        model,
        checkpoint,
        site,
        stored_layers(warehouse, model, checkpoint, site, sorted(kept)),
        site_sizes(warehouse, model, checkpoint, [site])[site],
        kept,
        {corpus: counted[corpus] for corpus in kept},
        {corpus: source_run(warehouse, "activations", {**unit, "corpus": corpus}, site) for corpus in kept},
    )


def read_sets(
    warehouse: Warehouse,
    scope: Scope,
    layer: int,
    neurons: Sequence[int] | NDArray[np.int64],
    sentence_ids: NDArray[np.int64],
    pole: str = "top",
    k: int | None = None,
) -> list[NDArray[np.int64]]:
    """Return, for each of some neurons (ascending) of a layer, which of the sentences are its k top (bottom) ones.

    Over all corpora, by the rule of macro `top_sentences`: ties go to the lower sentence_id. k: all that are exact
    unless given. Each set is (k,) indices into `sentence_ids`, the strongest first; empty where all k tie (a dead
    neuron), for these are merely the first of the corpora.
    """
    found = warehouse.sql(
        "select neuron, sentence_id, activation, if($pole = 'top', -activation, activation) as weakness "
        f"from neuron_topk where {OF_SCOPE} and layer = $layer and neuron between $first and $last "
        "and list_contains($neurons, neuron) and pole = $pole and rank <= $k qualify row_number() over "
        "(partition by neuron order by weakness, sentence_id) <= $k order by neuron, weakness, sentence_id",
        {
            **scope.place,
            "layer": layer,
            "first": int(neurons[0]),
            "last": int(neurons[-1]),
            "neurons": list(map(int, neurons)),
            "pole": pole,
            "k": scope.k if k is None else k,
        },
    ).fetchnumpy()
    indices = np.searchsorted(sentence_ids, found["sentence_id"])
    bounds = np.searchsorted(found["neuron"], [*neurons, neurons[-1] + 1])
    parts = [slice(*bounds[i : i + 2]) for i in range(len(neurons))]
    return [
        indices[part] if part.stop > part.start and np.ptp(found["activation"][part]) > 0 else indices[:0]
        for part in parts
    ]
