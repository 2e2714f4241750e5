"""The address of the neuron page and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwh.dashboards.address import neuron_address
from nwh.dashboards.address.neuron_address import NeuronAddress
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neurons import Extent

KNOWN = [
    Extent("bert", "step0", "hidden", 3, 16, ("brown", "tweets")),
    Extent("bert", "step1", "hidden", 3, 16, ("brown", "tweets")),
    Extent("bert", "step1", "ffn", 3, 24, ("brown",)),
    Extent("gpt", "main", "ffn", 2, 8, ("brown",)),
]


@st.composite
def choices(draw):
    extent = draw(st.sampled_from(KNOWN))
    layer, neuron = draw(st.integers(0, extent.n_layers - 1)), draw(st.integers(0, extent.n_neurons - 1))
    corpora = tuple(draw(st.lists(st.sampled_from(extent.corpora), unique=True)))
    place = Neuron(extent.model, extent.checkpoint, extent.site, layer, neuron)
    find = draw(st.sampled_from(["", "word:the king", "tree:(NP (DT))", "metadata:a=b=c"]))
    return NeuronAddress(place, corpora, draw(st.integers(1, 100)), draw(st.booleans()), find=find)


@given(choices())
def test_an_address_restores_the_choice(chosen):
    assert neuron_address.read(chosen.address, KNOWN) == (chosen, [])


def test_a_bare_address_is_the_first_models_last_checkpoint():
    assert neuron_address.read({}, KNOWN) == (NeuronAddress(Neuron("bert", "step1", "hidden", 0, 0)), [])


def test_what_was_run_over_a_corpus_comes_before_what_was_asked_prompts_alone():
    known = [Extent("a", "main", "ffn", 1, 2, ()), *KNOWN, Extent("bert", "step2", "ffn", 3, 24, ())]
    assert neuron_address.read({}, known) == neuron_address.read({}, KNOWN)
    chosen = NeuronAddress(Neuron("a", "main", "ffn", 0, 1))
    assert neuron_address.read(chosen.address, known) == (chosen, [])
    assert "`a@main` was run over none" in neuron_address.read(chosen.address | {"corpora": "brown"}, known)[1][0]


def test_a_model_without_checkpoint_is_its_last():
    assert neuron_address.read({"model": "bert"}, KNOWN)[0].neuron.checkpoint == "step1"


@pytest.mark.parametrize(
    ("address", "named", "nearest"),
    [
        ({"model": "nobody"}, "`nobody`", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"model": "bert@step9"}, "`bert@step0`, `bert@step1`", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"model": "gpt@main", "site": "hidden"}, "`ffn`", Neuron("gpt", "main", "ffn", 0, 0)),
        ({"layer": "3"}, "0 to 2", Neuron("bert", "step1", "hidden", 2, 0)),
        ({"layer": "9" * 50, "neuron": "5"}, "0 to 2", Neuron("bert", "step1", "hidden", 2, 5)),
        ({"neuron": "-1"}, "0 to 15", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"neuron": "٣"}, "0 to 15", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"neuron": ""}, "0 to 15", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"k": "0"}, "1 to 100", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"tokens": "perhaps"}, "`perhaps`", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"find": "the king"}, "`word:the king`", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"find": "metadata:topic"}, "KEY=VALUE", Neuron("bert", "step1", "hidden", 0, 0)),
        ({"corpora": "brown,nosuch"}, "`brown`, `tweets`", Neuron("bert", "step1", "hidden", 0, 0)),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(address, named, nearest):
    chosen, problems = neuron_address.read(address, KNOWN)
    assert len(problems) == 1
    assert named in problems[0]
    assert neuron_address.code_span(next(value for key, value in address.items() if key in problems[0])) in problems[0]
    assert chosen.neuron == nearest
    assert neuron_address.read(chosen.address, KNOWN) == (chosen, [])


@given(st.dictionaries(st.sampled_from(["model", "site", "layer", "neuron", "corpora", "k", "tokens"]), st.text()))
def test_any_address_leads_to_a_neuron_that_exists(address):
    chosen, _ = neuron_address.read(address, KNOWN)
    assert neuron_address.read(chosen.address, KNOWN) == (chosen, [])


def test_steps_visit_every_neuron_and_come_back():
    extent, chosen = KNOWN[3], NeuronAddress(Neuron("gpt", "main", "ffn", 1, 6), k=5)
    visited = [chosen]
    while (following := neuron_address.step(extent, visited[-1], 1)) != chosen:
        assert neuron_address.step(extent, following, -1) == visited[-1]
        visited.append(following)
    assert {(c.neuron.layer, c.neuron.neuron) for c in visited} == {(i, j) for i in range(2) for j in range(8)}
    assert {c.k for c in visited} == {5}


def test_a_random_neuron_exists():
    for _ in range(50):
        KNOWN[3].check(neuron_address.any_neuron(KNOWN[3], NeuronAddress(Neuron("gpt", "main", "ffn", 0, 0))).neuron)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("2/7", Neuron("bert", "step1", "hidden", 2, 7)),
        ("2_7", Neuron("bert", "step1", "hidden", 2, 7)),
        ("ffn/2/23", Neuron("bert", "step1", "ffn", 2, 23)),
        ("gpt/ffn/1/7", Neuron("gpt", "main", "ffn", 1, 7)),
        ("bert@step0/hidden/0/15", Neuron("bert", "step0", "hidden", 0, 15)),
    ],
)
def test_jump(text, place):
    chosen = NeuronAddress(Neuron("bert", "step1", "hidden", 1, 1), ("tweets",), k=3)
    jumped = neuron_address.jump(text, KNOWN, chosen)
    assert (jumped.neuron, jumped.k) == (place, 3)
    assert jumped.corpora == (("tweets",) if place.site == "hidden" else ())


@pytest.mark.parametrize("text", ["2/16", "gpt/hidden/0/0", "nobody/ffn/0/0", "seven", "1/2/3", "hidden/-1/0"])
def test_a_jump_to_nowhere_is_an_error_that_names_it(text):
    with pytest.raises(UsageError, match=text.split("/")[-1]):
        neuron_address.jump(text, KNOWN, NeuronAddress(Neuron("bert", "step1", "hidden", 1, 1)))
