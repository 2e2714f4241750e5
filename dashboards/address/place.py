"""Where one is among neurons and concepts, read from any page's address, and what other pages' addresses are there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode

from nwh.warehouse.names import split_checkpoint
from nwh.warehouse.queries.knowledge import Series
from nwh.warehouse.queries.layers import NeuronMap
from nwh.warehouse.queries.neurons import Extent

_NEURON = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Place:
    """What was looked at last; empty texts where nothing was. layer, neuron: numbers as texts."""

    model: str = ""
    checkpoint: str = ""
    site: str = ""
    layer: str = ""
    neuron: str = ""
    dataset: str = ""
    concept: str = ""

    def then(self, address: Mapping[str, str]) -> Place:
        """Return the place after a page was opened at an address, which keeps what it says nothing of."""
        said = {name: address[name] for name in asdict(self) if address.get(name)}
        if "@" in said.get("model", ""):
            said["model"], checkpoint = split_checkpoint(said["model"])
            said["checkpoint"] = checkpoint or ""
        if found := _NEURON.fullmatch(said.get("neuron", "")):  # of a picture: layer/neuron
            said["layer"], said["neuron"] = found.groups()
        elif "layer" in said and "neuron" not in said:
            said["neuron"] = ""
        if said.get("model", self.model) != self.model:  # neurons and checkpoints are a model's own
            return replace(Place(site=self.site, dataset=self.dataset, concept=self.concept), **said)
        return replace(self, **said)


def fullest(known: Sequence[Extent]) -> str:
    """Return MODEL@CHECKPOINT of the model with most stored figures: its last checkpoint."""
    stored: dict[str, int] = {}
    for extent in known:
        stored[extent.model] = stored.get(extent.model, 0) + extent.n_layers * extent.n_neurons * len(extent.corpora)
    most = max(stored, key=lambda model: stored[model])
    return [f"{extent.model}@{extent.checkpoint}" for extent in known if extent.model == most][-1]


def addresses(
    place: Place, known: Sequence[Extent], maps: Sequence[NeuronMap], series: Sequence[Series]
) -> dict[str, dict[str, str]]:
    """Return the query parameters with which each page opens at a place; only what is there is named.

    known: of models that were run over a corpus, and, without corpora, of those that were asked prompts alone.
    """
    found: dict[str, dict[str, str]] = {}
    if extent := _extent(place, known):
        numbers = {"layer": place.layer, "neuron": place.neuron} if _inside(place, extent) else {}
        found["neuron"] = _at(extent) | numbers
    if extent := _extent(place, [each for each in known if each.corpora]):
        at, inside = _at(extent), _inside(place, extent)
        found["layers"] = at | ({"neuron": f"{place.layer}/{place.neuron}"} if inside else {})
        if drawn := _map(extent, maps):
            of_map = {"model": at["model"], "site": drawn.site, "scope": drawn.scope}
            there = inside and drawn.site == extent.site and int(place.layer) in drawn.layers
            found["map"] = of_map | ({"layer": place.layer, "neuron": f"{place.layer}/{place.neuron}"} if there else {})
    if chosen := _series(place, series):
        of_concept = {"model": chosen.model, "dataset": chosen.dataset}
        of_concept |= {"concept": place.concept} if place.concept in chosen.concepts else {}
        of_concept |= {"checkpoint": place.checkpoint} if place.checkpoint in chosen.checkpoints else {}
        found["concept"] = found["formation"] = of_concept
    return found


def link(page: str, address: Mapping[str, str]) -> str:
    """Return a page at an address as a relative link: it holds below whatever path a proxy serves pages at."""
    return f"{page}?{urlencode(address)}" if address else page


def _at(extent: Extent) -> dict[str, str]:
    return {"model": f"{extent.model}@{extent.checkpoint}", "site": extent.site}


def _inside(place: Place, extent: Extent) -> bool:
    """Return whether a place names a neuron of an extent."""
    numbers = place.layer.isdecimal() and place.neuron.isdecimal()
    return numbers and int(place.layer) < extent.n_layers and int(place.neuron) < extent.n_neurons


def _extent(place: Place, known: Sequence[Extent]) -> Extent | None:
    of_model = [extent for extent in known if extent.model == place.model]
    of_checkpoint = [extent for extent in of_model if extent.checkpoint == place.checkpoint]
    if not of_checkpoint:  # of one that was asked prompts only, or of none named: the last
        of_checkpoint = [extent for extent in of_model if extent.checkpoint == of_model[-1].checkpoint]
    return next((extent for extent in of_checkpoint if extent.site == place.site), next(iter(of_checkpoint), None))


def _map(extent: Extent, maps: Sequence[NeuronMap]) -> NeuronMap | None:
    """Return a map of the checkpoint, of the site where there is one."""
    of_checkpoint = [each for each in maps if (each.model, each.checkpoint) == (extent.model, extent.checkpoint)]
    return next((each for each in of_checkpoint if each.site == extent.site), next(iter(of_checkpoint), None))


def _series(place: Place, series: Sequence[Series]) -> Series | None:
    of_model = [each for each in series if each.model == place.model]
    return next((each for each in of_model if each.dataset == place.dataset), next(iter(of_model), None))
