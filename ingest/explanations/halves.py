"""Which sentences an explanation is made of, and which others it is judged on: the two halves share none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nwh.ingest import statistics
from nwh.ingest.stored import counted_sentences, kept_sentences, site_sizes, source_run, stored_layers
from nwh.ingest.text.corpus import texts_of
from nwh.warehouse import Warehouse
from nwh.warehouse.names import scope_of

_TOP_ROWS = 2_000_000  # of neuron_topk read at a time, at most
POLE = "top"


@dataclass(frozen=True)
class Ground:
    """Neurons of one site of a checkpoint, and the corpora whose sentences they are explained by.

    `k` sentences are kept of each over all corpora, at most half of all. `sources` names by corpus the runs that stored
    the activations. `layers` are those stored of all corpora.
    """

    model: str
    checkpoint: str
    site: str
    corpora: tuple[str, ...]
    layers: tuple[int, ...]
    n_neurons: int
    k: int
    sources: dict[str, list[str | None]]

    @property
    def scope(self) -> str:
        """The column `scope`."""
        return scope_of(self.corpora)

    @property
    def place(self) -> str:
        """MODEL@CHECKPOINT/SITE."""
        return f"{self.model}@{self.checkpoint}/{self.site}"


def read_ground(warehouse: Warehouse, model: str, checkpoint: str, site: str, wanted: Sequence[str] = ()) -> Ground:
    """Return what a site has; `wanted` corpora, all there are where it is empty.

    UsageError for a site or a corpus without activations, naming the command that makes them.
    """
    n_neurons = site_sizes(warehouse, model, checkpoint, [site])[site]
    kept = kept_sentences(warehouse, model, checkpoint, site, POLE, wanted)
    corpora = tuple(sorted(wanted or kept))
    counted = counted_sentences(warehouse, model, checkpoint)
    n = sum(counted[corpus] for corpus in corpora)
    limits = [kept[corpus] for corpus in corpora if kept[corpus] < counted[corpus]]
    layers = stored_layers(warehouse, model, checkpoint, site, corpora)
    unit = {"model": model, "checkpoint": checkpoint}
    sources = {corpus: [source_run(warehouse, "activations", {**unit, "corpus": corpus}, site)] for corpus in corpora}
    return Ground(model, checkpoint, site, corpora, layers, n_neurons, min([*limits, n // 2]), sources)


@dataclass(frozen=True)
class Shown:
    """The sentences of one neuron (ids): `examples` and `contrast` to explain it by, `top` and `others` to judge on.

    examples and top: the highest activations of either half, the strongest first. contrast and others: drawn among the
    sentences of either half that are not among the neuron's k highest. members: places of all k in the ids that
    counted.
    """

    layer: int
    neuron: int
    examples: tuple[int, ...]
    contrast: tuple[int, ...]
    top: tuple[int, ...]
    others: tuple[int, ...]
    members: NDArray[np.int64]


class Halves:
    """The sentences that counted over a ground: their ids [S] ascending, and which are of the first half."""

    def __init__(self, warehouse: Warehouse, ground: Ground, examples: int, judged: int, seed: int) -> None:
        """Show `examples` sentences and half as many others; judge on `judged` and as many others."""
        self.ground = ground
        self._warehouse = warehouse
        self._examples, self._judged, self._seed = examples, judged, seed
        self._params = {"model": ground.model, "checkpoint": ground.checkpoint, "corpora": list(ground.corpora)}

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the sentences that counted."""
        found: NDArray[np.int64] = self._warehouse.sql(
            "select sentence_id from sentence_tokens where model = $model and checkpoint = $checkpoint "
            "and list_contains($corpora, corpus) order by sentence_id",
            self._params,
        ).fetchnumpy()["sentence_id"]
        return found

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Which of them are of the first half, by the hash that divides patterns too."""
        return statistics.first_half(self.ids)

    @cached_property
    def all_texts(self) -> list[str]:
        """The texts of all sentences that counted, as `ids` has them."""
        return list(self.texts(self.ids.tolist()).values())

    def texts(self, sentence_ids: Iterable[int]) -> dict[int, str]:
        """Return the texts of sentences, by id, ascending."""
        return texts_of(self._warehouse, self.ground.corpora, sentence_ids)

    def shown(self, layer: int, neurons: Sequence[int]) -> Iterator[Shown]:
        """Yield what there is of some neurons of a layer; nothing of those whose top sentences all tie."""
        step = max(1, _TOP_ROWS // (self.ground.k * len(self.ground.corpora)))
        for start in range(0, len(neurons), step):
            part = neurons[start : start + step]
            found = self._warehouse.sql(
                "select neuron, sentence_id, activation from neuron_topk where model = $model "
                "and checkpoint = $checkpoint and site = $site and list_contains($corpora, corpus) and layer = $layer "
                "and list_contains($neurons, neuron) and pole = 'top' and rank <= $k "
                "qualify row_number() over (partition by neuron order by activation desc, sentence_id) <= $k "
                "order by neuron, activation desc, sentence_id",
                {
                    **self._params,
                    "site": self.ground.site,
                    "layer": layer,
                    "neurons": list(part),
                    "k": self.ground.k,
                },
            ).fetchnumpy()
            places = np.searchsorted(self.ids, found["sentence_id"])
            bounds = np.searchsorted(found["neuron"], [*part, part[-1] + 1])
            for neuron, low, high in zip(part, bounds[:-1], bounds[1:], strict=True):
                differ = high > low and np.ptp(found["activation"][low:high]) > 0
                if differ and (one := self._one(layer, neuron, places[low:high])):
                    yield one

    def _one(self, layer: int, neuron: int, members: NDArray[np.int64]) -> Shown | None:
        """Return the sentences of a neuron; null where a half has none of a side."""
        chance = np.random.default_rng([self._seed, layer, neuron])
        first = self.first[members]
        rest = np.ones(len(self.ids), bool)
        rest[members] = False
        sides = [
            tuple(self.ids[places].tolist())
            for places in (
                members[first][: self._examples],
                self._drawn(chance, rest & self.first, max(1, self._examples // 2)),
                members[~first][: self._judged],
                self._drawn(chance, rest & ~self.first, self._judged),
            )
        ]
        if not all(sides):
            return None
        examples, contrast, top, others = sides
        return Shown(layer, neuron, examples, contrast, top, others, members)

    def _drawn(self, chance: np.random.Generator, among: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
        there = np.flatnonzero(among)
        return chance.choice(there, min(n, len(there)), replace=False, shuffle=False)
