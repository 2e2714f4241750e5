"""Families: which one a model type belongs to, and what a checkpoint's head predicts."""

import pytest

from nwh.ingest.models import FAMILIES, Family, capture, family_of, forward, load
from nwh.ingest.models.families import ALBERT, BERT, ELECTRA, GPT2, LLAMA, T5, objective_of
from nwh.warehouse.errors import UsageError


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


def test_a_family_of_the_users_own(tmp_path, save):
    config = {"model_type": "bloom", "hidden_size": 24, "n_layer": 2, "n_head": 4}
    folder = save(tmp_path / "bloom", config, auto="AutoModelForCausalLM")
    with pytest.raises(UsageError, match="'bloom'"):
        load(str(folder))
    bloom = Family("bloom", ("bloom",), blocks="h", down="mlp.dense_4h_to_h", objective="clm")
    loaded = load(str(folder), family=bloom, device="cpu")
    ids = loaded.tokenizer("word1 word2", return_tensors="pt").input_ids
    widths = {}
    with capture(loaded, ["hidden", "ffn"], lambda site, layer, x: widths.update({(site, layer): x.shape[-1]})):
        forward(loaded, ids)
    assert widths == {("hidden", 0): 24, ("ffn", 0): 96, ("hidden", 1): 24, ("ffn", 1): 96}
    assert (loaded.checkpoint.family, loaded.checkpoint.n_layers) == ("bloom", 2)
