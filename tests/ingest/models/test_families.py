"""Families: which one a model type belongs to, and what a checkpoint's head predicts."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from nwh.ingest.models import FAMILIES, Family, capture, family_of, forward, load
from nwh.ingest.models.families import ALBERT, BERT, ELECTRA, GPT2, LLAMA, T5, described, family_from, objective_of
from nwh.warehouse.errors import ModelError, UsageError
from tests.ingest.models.conftest import BY_NAME, save_model, save_tokenizer


def test_every_model_type_belongs_to_one_family():
    types = [model_type for family in FAMILIES for model_type in family.model_types]
    assert len(types) == len(set(types))
    assert family_of("gpt_neox").name == "gpt-neox"
    assert family_of("gemma3_text") is LLAMA


def test_an_unknown_family_is_named_beside_the_known_ones():
    with pytest.raises(UsageError, match="'mamba'") as error:
        family_of("mamba")
    assert all(family.name in str(error.value) for family in FAMILIES)


@pytest.mark.parametrize(
    ("family", "architectures", "objective"),
    [
        (BERT, ["BertForMaskedLM"], "mlm"),
        (BERT, ["BertForPreTraining"], "mlm"),
        (BERT, ["BertModel"], "encoder"),
        (BERT, ["BertForSequenceClassification"], "encoder"),
        (BERT, None, "mlm"),
        (ALBERT, ["AlbertForPreTraining"], "mlm"),
        (ELECTRA, ["ElectraForMaskedLM"], "mlm"),
        (ELECTRA, ["ElectraForPreTraining"], "encoder"),
        (GPT2, ["GPT2LMHeadModel"], "clm"),
        (LLAMA, ["LlamaForCausalLM"], "clm"),
        (LLAMA, None, "clm"),
        (T5, ["T5ForConditionalGeneration"], "seq2seq"),
        (T5, ["T5WithLMHeadModel"], "seq2seq"),
        (T5, ["T5EncoderModel"], "encoder"),
    ],
)
def test_the_objective_is_read_from_the_architecture(family, architectures, objective):
    assert objective_of(architectures, family) == objective


XGLM = {"name": "xglm", "model_types": ["xglm"], "blocks": "layers", "down": "fc2", "objective": "clm"}
OF_XGLM = {
    "model_type": "xglm", "d_model": 24, "num_layers": 2, "attention_heads": 4, "ffn_dim": 40,
    "max_position_embeddings": 40,
}  # fmt: skip


def toml(path, **values):
    """Write a family file: JSON's text, lists of text and truth values are TOML's too."""
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return path


def test_a_family_of_the_users_own(tmp_path, save):
    folder = save(tmp_path / "xglm", OF_XGLM, auto="AutoModelForCausalLM")
    with pytest.raises(UsageError, match=r"'xglm'.*--family FILE\.toml"):
        load(str(folder))
    family = family_from(toml(tmp_path / "xglm.toml", **XGLM))
    assert family == Family("xglm", ("xglm",), blocks="layers", down="fc2", objective="clm")
    loaded = load(str(folder), family=family, device="cpu")
    ids = loaded.tokenizer("word1 word2", return_tensors="pt").input_ids
    widths = {}
    with capture(loaded, ["hidden", "ffn"], lambda site, layer, x: widths.update({(site, layer): x.shape[-1]})):
        forward(loaded, ids)
    assert widths == {("hidden", 0): 24, ("ffn", 0): 40, ("hidden", 1): 24, ("ffn", 1): 40}
    row = loaded.checkpoint
    assert (row.family, row.n_layers) == ("xglm", 2)
    assert described(row.family_description) == family
    with pytest.raises(
        UsageError, match=r"says 'mlp.fc2', but a XGLMDecoderLayer has no 'mlp'; it has self_attn, .*fc1"
    ):
        load(str(folder), family=replace(family, down="mlp.fc2"), device="cpu")
    with pytest.raises(UsageError, match=r"says 'final_layer_norm', but a LayerNorm projects nothing"):
        load(str(folder), family=replace(family, down="final_layer_norm"), device="cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bloks": "h"}, r"xglm\.toml has a key 'bloks': use name, model_types, blocks"),
        ({"down": 3}, r"down = 3 is not a str"),
        ({"pooler": "yes"}, r"pooler = 'yes' is not a bool"),
        ({"objective": "lm"}, r"objective 'lm' of family xglm is not one of mlm, clm, seq2seq, encoder"),
    ],
)
def test_family_files_that_say_something_wrong(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        family_from(toml(tmp_path / "xglm.toml", **{**XGLM, **change}))


def test_family_files_that_say_too_little(tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.toml cannot be read: No such file"):
        family_from(tmp_path / "nothing.toml")
    (tmp_path / "half.toml").write_text("name = ")
    with pytest.raises(UsageError, match=r"half\.toml is not TOML"):
        family_from(tmp_path / "half.toml")
    with pytest.raises(UsageError, match=r"lacks 'down': a family needs name, blocks, down, objective"):
        family_from(toml(tmp_path / "short.toml", name="xglm", blocks="layers", objective="clm"))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "mixtral", "num_local_experts": 8}, "mixture of experts"),
        ({"model_type": "mamba", "state_size": 16}, "state-space model"),
        ({"model_type": "somenew"}, "--family FILE.toml"),
        ({"model_type": "llama4", "text_config": {"model_type": "llama4_text", "num_local_experts": 2}}, "of experts"),
    ],
)
def test_other_kinds_are_refused_with_the_reason(tmp_path, config, why):
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=f"{why}.*") as error:
        load(str(tmp_path), device="cpu")
    assert "gpt-neox, bloom, opt, llama" in str(error.value)


def test_layers_of_several_widths_and_experts_beside_a_dense_layer(tmp_path, save):
    sizes = BY_NAME["gemma4_text"].config | {"use_double_wide_mlp": True}
    with pytest.raises(ModelError, match="have 40 and 80 neurons"):
        load(str(save(tmp_path / "wide", sizes)), device="cpu")
    experts = {"enable_moe_block": True, "num_experts": 2, "top_k_experts": 1, "moe_intermediate_size": 8}
    with pytest.raises(ModelError, match="mixtures of experts"):
        load(str(save(tmp_path / "experts", BY_NAME["gemma4_text"].config | experts)), device="cpu")


VISION = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
PICTURES = {"image_size": 28, "patch_size": 14}
OF_QWEN = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 24}


@pytest.mark.parametrize(
    ("kind", "text", "vision"),
    [
        ("gemma3", "gemma3_text", VISION | PICTURES),
        ("gemma4", "gemma4_text", VISION),
        ("qwen3_5", "qwen3_5_text", OF_QWEN),
        ("mistral3", "mistral", VISION | PICTURES),
    ],
)
def test_the_text_part_of_a_model_that_sees(tmp_path, kind, text, vision):
    import transformers

    of_text = {**BY_NAME[text].config, "vocab_size": 26, "pad_token_id": 0}
    settings = {"text_config": of_text, "vision_config": vision}
    folder = save_model(tmp_path / kind, {"model_type": kind, **settings}, "AutoModelForImageTextToText")
    save_tokenizer(folder)
    whole = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    loaded, headed = load(str(folder), device="cpu"), load(str(folder), head=True, device="cpu")
    ids = torch.tensor([[7, 9, 12, 5, 8]])
    found = {}
    with capture(loaded, ["hidden"], lambda _, layer, x: found.update({layer: x})):
        last = forward(loaded, ids)
    with torch.no_grad():
        expected = whole(input_ids=ids, output_hidden_states=True)
        torch.testing.assert_close(headed.module(input_ids=ids).logits, expected.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, expected.hidden_states[-1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[0], expected.hidden_states[1], rtol=1e-4, atol=1e-4)
    assert loaded.checkpoint == headed.checkpoint
    assert (loaded.checkpoint.family, loaded.checkpoint.objective) == (BY_NAME[text].family, "clm")
    assert loaded.checkpoint.n_parameters < sum(parameter.numel() for parameter in whole.parameters())
