"""Hook points of TransformerLens and nnsight stand for a site and a layer wherever a site is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nwh.ingest.models import FAMILIES
from nwh.ingest.models.families import description_of
from nwh.ingest.models.hook_points import hook_points
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import parse_neuron
from nwh.warehouse.sites import site_of, sites_and_layers, whole_sites


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("hidden", ("hidden", None)),
        ("blocks.3.mlp.hook_post", ("ffn", 3)),
        ("blocks.12.hook_resid_post", ("hidden", 12)),
        ("mlp_act.0", ("ffn", 0)),
        ("resid_post.5", ("hidden", 5)),
        ("transformer.h[3].output[0]", ("hidden", 3)),
        ("transformer.h.3.mlp.c_proj.input", ("ffn", 3)),
    ],
)
def test_names(name, place):
    assert site_of(name) == place


def test_modules_of_every_family():
    for family in FAMILIES:
        if family.name != "albert":  # whose blocks are not a list of layers
            assert site_of(f"model.{family.blocks}.7.output") == ("hidden", 7), family.name
            down = family.down.replace("-1", "1")  # of T5's encoder, the last of two parts
            assert site_of(f"{family.blocks}[7].{down}.input") == ("ffn", 7), family.name


def test_names_in_checkpoints_stand_for_their_site():
    for family in FAMILIES:
        for column, names in hook_points(family.name, None).items():
            assert {site_of(name.format(layer=7)) for name in names} == {(column.removesuffix("_hooks"), 7)}, (
                family.name
            )
    own = description_of(replace(FAMILIES[0], name="own", blocks="stack", down="fc2"))
    assert hook_points("own", own)["ffn_hooks"] == ["blocks.{layer}.mlp.hook_post", "stack[{layer}].fc2.input"]
    own = description_of(replace(FAMILIES[0], name="own", blocks="groups", shared="stack"))  # no module is a layer's
    assert hook_points("own", own)["ffn_hooks"] == ["blocks.{layer}.mlp.hook_post"]


@pytest.mark.parametrize(
    "name", ["mlp", "blocks.3.hook_mlp_out", "blocks.x.hook_resid_post", "encoder.layer.3.attention.output.dense.input"]
)
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="is not known: use hidden"):
        site_of(name)


def test_options():
    assert sites_and_layers(["hidden,ffn"], [1, 2]) == (["hidden", "ffn"], [1, 2])
    assert sites_and_layers(["blocks.3.mlp.hook_post,blocks.1.mlp.hook_post"], []) == (["ffn"], [1, 3])
    assert sites_and_layers(None, []) == ([], [])
    with pytest.raises(UsageError, match="at different layers"):
        sites_and_layers(["blocks.3.mlp.hook_post", "hidden"], [])
    with pytest.raises(UsageError, match="leave --layer out"):
        sites_and_layers(["blocks.3.mlp.hook_post"], [3])
    assert whole_sites(["ffn"]) == ["ffn"]
    with pytest.raises(UsageError, match="takes whole sites"):
        whole_sites(["mlp_act.3"])


def test_neurons():
    assert str(parse_neuron("openai/GPT2@step3/blocks.3.mlp.hook_post/17")) == "gpt2@step3/ffn/3/17"
    assert str(parse_neuron("bert/encoder.layer.3.output/17")) == "bert@main/hidden/3/17"
    for wrong in ("gpt2/ffn/17", "gpt2/blocks.3.hook_mlp_out/17", "blocks.3.mlp.hook_post/17"):
        with pytest.raises(UsageError, match="does not name a neuron"):
            parse_neuron(wrong)
