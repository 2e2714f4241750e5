"""Going from page to page keeps the place: model, site, neuron, data set and concept."""

from __future__ import annotations

import pytest

from nwh.dashboards.address import place
from nwh.dashboards.address.place import Place
from nwh.warehouse.queries.knowledge import Series
from nwh.warehouse.queries.layers import NeuronMap
from nwh.warehouse.queries.neurons import Extent

KNOWN = [
    Extent("bert", "step0", "hidden", 2, 8, ("c",)),
    Extent("bert", "main", "hidden", 2, 8, ("c",)),
    Extent("bert", "main", "ffn", 2, 32, ("c", "d")),
    Extent("tiny", "main", "hidden", 2, 6, ("c",)),
]
MAPS = [NeuronMap("bert", "main", "hidden", "c+d", (1,))]
SERIES = [
    Series("bert", "facts", 2, 32, ("step0", "main"), ("amber", "gold"), ("zero",)),
    Series("other", "more", 2, 32, ("main",), ("tin",), ()),
]
AT = {"model": "bert@main", "site": "hidden", "layer": "1", "neuron": "5"}


def addresses(at):
    return place.addresses(at, KNOWN, MAPS, SERIES)


def test_a_neuron_is_found_again_on_every_page():
    there = addresses(Place().then(AT))
    assert there["neuron"] == AT
    picked = {"model": "bert@main", "site": "hidden", "neuron": "1/5"}
    assert there["layers"] == picked
    assert there["map"] == picked | {"layer": "1", "scope": "c+d"}
    assert there["concept"] == there["formation"] == {"model": "bert", "dataset": "facts", "checkpoint": "main"}
    assert Place().then(picked) == Place().then(AT)  # a neuron picked in a picture is the same neuron


def test_a_concept_leads_to_neurons_and_back():
    asked = Place().then({"model": "bert", "dataset": "facts", "concept": "gold", "checkpoint": "step0"})
    there = addresses(asked)
    assert there["neuron"] == {"model": "bert@step0", "site": "hidden"}
    assert there["concept"] == {"model": "bert", "dataset": "facts", "concept": "gold", "checkpoint": "step0"}
    assert addresses(asked.then(AT))["concept"]["concept"] == "gold"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "<b>", "site": "x", "layer": "1", "neuron": "1"},
        {"model": "bert@nowhere", "layer": "99", "neuron": "1"},
        {"model": "bert@main", "site": "hidden", "layer": "1", "neuron": "8"},
        {"model": "bert@main", "site": "hidden", "layer": "-1", "neuron": "x", "dataset": "?", "concept": "?"},
    ],
)
def test_what_is_not_there_is_not_carried(wrong):
    there = addresses(Place().then(wrong))
    for page in ("neuron", "layers"):
        assert "neuron" not in there.get(page, {})
    assert "concept" not in there.get("concept", {})


def test_another_model_has_other_neurons():
    moved = Place().then(AT).then({"model": "tiny@main"})
    assert addresses(moved)["neuron"] == {"model": "tiny@main", "site": "hidden"}
    assert Place().then(AT).then({"query": "select 1"}) == Place().then(AT)
    assert Place().then(AT).then({"model": "bert@main", "layer": "0"}).neuron == ""


def test_of_a_model_that_was_asked_prompts_alone_there_are_neurons_and_no_layers():
    known = [*KNOWN, Extent("other", "main", "ffn", 2, 32, ())]
    there = place.addresses(Place().then({"model": "other@main", "layer": "1", "neuron": "31"}), known, MAPS, SERIES)
    assert there["neuron"] == {"model": "other@main", "site": "ffn", "layer": "1", "neuron": "31"}
    assert there.keys() == {"neuron", "concept", "formation"}


def test_the_first_model_is_that_of_most_figures():
    assert place.fullest(KNOWN) == "bert@main"
    assert place.fullest(KNOWN[::-1]) == "bert@step0"
    small = [Extent("small", f"step{i}", "ffn", 1, 1, ("c",)) for i in range(9)]
    assert place.fullest([*small, *KNOWN]) == "bert@main"


def test_links_say_no_more_than_they_need():
    assert place.link("neuron", {}) == "neuron"
    assert place.link("neuron", {"model": "a@b"}) == "neuron?model=a%40b"
