"""Which sentences an explanation is made of, and which others it is judged on: the two halves share none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nwh.ingest import statistics
from nwh.ingest.scope import Scope, read_scope, read_sets
from nwh.ingest.stored import kept_sentences, site_sizes
from nwh.ingest.text.corpus import texts_of
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

_TOP_ROWS = 2_000_000  # of neuron_topk read at a time, at most
POLE = "top"


def read_ground(warehouse: Warehouse, model: str, checkpoint: str, site: str, wanted: Sequence[str] = ()) -> Scope:
    """Return what a site has; `wanted` corpora, all there are where it is empty.

    UsageError for a site or a corpus without activations, naming the command that makes them.
    """
    site_sizes(warehouse, model, checkpoint, [site])
    kept = kept_sentences(warehouse, model, checkpoint, site, POLE, wanted)
    return read_scope(warehouse, model, checkpoint, site, {corpus: kept[corpus] for corpus in wanted or kept})


@dataclass(frozen=True)
class ExplanationSettings:
    """Sentences that an explanation is made of, those it is judged on (with as many others), seed of the draws."""

    examples: int = 20
    judged: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value in (("--examples", self.examples), ("--judged", self.judged)):
            if value < 1:
                raise UsageError(f"{option} must be at least 1, not {value}")


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


@dataclass(frozen=True)
class Halves:
    """The sentences that counted over a ground: their ids [S] ascending, and which are of the first half.

    Half as many others as examples are shown; as many others as top sentences are judged on.
    """

    warehouse: Warehouse
    ground: Scope
    settings: ExplanationSettings

    @property
    def k(self) -> int:
        """Sentences of each neuron that are the highest: as many as are kept, at most half of all."""
        return min(self.ground.k, sum(self.ground.counted.values()) // 2)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the sentences that counted."""
        found: NDArray[np.int64] = self.warehouse.sql(
            "select sentence_id from sentence_tokens where model = $model and checkpoint = $checkpoint "
            "and list_contains($corpora, corpus) order by sentence_id",
            {name: getattr(self.ground, name) for name in ("model", "checkpoint", "corpora")},
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
        return texts_of(self.warehouse, self.ground.corpora, sentence_ids)

    def shown(self, layer: int, neurons: Sequence[int]) -> Iterator[Shown]:
        """Yield what there is of some neurons of a layer; nothing of those whose top sentences all tie."""
        step = max(1, _TOP_ROWS // (self.k * len(self.ground.corpora)))
        for start in range(0, len(neurons), step):
            part = neurons[start : start + step]
            sets = read_sets(self.warehouse, self.ground, layer, part, self.ids, k=self.k)
            for neuron, members in zip(part, sets, strict=True):
                if len(members) and (one := self._one(layer, neuron, members)):
                    yield one

    def _one(self, layer: int, neuron: int, members: NDArray[np.int64]) -> Shown | None:
        """Return the sentences of a neuron; null where a half has none of a side."""
        chance = np.random.default_rng([self.settings.seed, layer, neuron])
        first = self.first[members]
        rest = np.ones(len(self.ids), bool)
        rest[members] = False
        sides = [
            tuple(self.ids[places].tolist())
            for places in (
                members[first][: self.settings.examples],
                self._drawn(chance, rest & self.first, max(1, self.settings.examples // 2)),
                members[~first][: self.settings.judged],
                self._drawn(chance, rest & ~self.first, self.settings.judged),
            )
        ]
        if not all(sides):
            return None
        examples, contrast, top, others = sides
        return Shown(layer, neuron, examples, contrast, top, others, members)

    def _drawn(self, chance: np.random.Generator, among: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
        there = np.flatnonzero(among)
        return chance.choice(there, min(n, len(there)), replace=False, shuffle=False)
