"""Output weights of a neuron through the unembedding, against the models' own modules."""

from __future__ import annotations

import pytest
import torch

from nwh.ingest.knowledge.output_tokens import output_tokens
from nwh.ingest.models import load
from nwh.warehouse.errors import UsageError
from tests.ingest.tiny_language_models import save_causal, save_masked, save_t5

SHAPE = {"vocab_size": 40, "max_position_embeddings": 32, "initializer_range": 0.5}


def save_other(folder, kind):
    """Save a GPT-2 or a Gemma of random norms, with the words `w0` to `w34`: its unembedding has rows to spare."""
    from tokenizers import Tokenizer, models
    from transformers import (
        GemmaConfig,
        GemmaForCausalLM,
        GPT2Config,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
    )

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(35)}, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w0").save_pretrained(folder)
    torch.manual_seed(3)
    if kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=2, n_head=2, n_inner=24, initializer_range=0.5)
        )
        norm = model.transformer.ln_f
    else:
        config = GemmaConfig(
            **SHAPE, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
            intermediate_size=24,
        )  # fmt: skip
        model = GemmaForCausalLM(config)
        norm = model.model.norm
    with torch.no_grad():
        norm.weight.uniform_(0.2, 2)
    model.save_pretrained(folder)
    return folder


PLACES = {
    "gpt2": (lambda m: m.transformer.h[1].mlp.c_proj.weight[5], lambda m: m.transformer.ln_f, 35),
    "gemma": (lambda m: m.model.layers[1].mlp.down_proj.weight[:, 5], lambda m: m.model.norm, 35),
    "neox": (
        lambda m: m.gpt_neox.layers[1].mlp.dense_4h_to_h.weight[:, 5],
        lambda m: m.gpt_neox.final_layer_norm,
        None,
    ),
}


@pytest.mark.parametrize("kind", PLACES)
def test_they_are_what_the_models_own_norm_and_head_do_to_a_small_push(tmp_path, kind):
    """Pushed along the weights where norm and unembedding run: the derivative, times the size of the stream.

    At a point at right angles to the push, a norm's division does not change with it: what is left is linear.
    """
    folder = save_causal(tmp_path / kind) if kind == "neox" else save_other(tmp_path / kind, kind)
    loaded = load(str(folder), head=True, device="cpu")
    weights, norm, n_tokens = (found(loaded.module) if callable(found) else found for found in PLACES[kind])
    push = weights.detach().double()
    point = torch.randn(16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if isinstance(norm, torch.nn.LayerNorm):
        push, point = push - push.mean(), point - point.mean()
    point = point - push * (point @ push) / (push @ push)
    size = point.square().mean().sqrt()
    real = norm.double()
    head = loaded.module.get_output_embeddings().weight.detach().double()
    slope = torch.autograd.functional.jvp(lambda x: head @ real(x).double(), point, weights.detach().double())[1]
    norm.float()
    want = (slope * size)[:n_tokens]

    found = output_tokens(loaded, 1, [5], 4)[0]
    assert found.normed
    assert not found.transformed
    for side, sign in ((found.positive, 1), (found.negative, -1)):
        best = (sign * want).topk(4)
        assert [value for _, value in side] == pytest.approx([sign * v for v in best.values.tolist()], rel=1e-3)
        texts = [loaded.tokenizer.decode([i]) for i in best.indices.tolist()]
        pieces = loaded.tokenizer.convert_ids_to_tokens(best.indices.tolist())
        # part of a character has no text of its own
        named = [p if "\N{REPLACEMENT CHARACTER}" in t else t for p, t in zip(pieces, texts, strict=True)]
        assert [token for token, _ in side] == named


def test_a_masked_model_has_no_final_norm_and_its_heads_layer_is_left_out(tmp_path):
    loaded = load(str(save_masked(tmp_path / "bert")), head=True, device="cpu")
    found = output_tokens(loaded, 0, [3], 2)[0]
    weights = loaded.module.bert.encoder.layer[0].output.dense.weight[:, 3]
    want = loaded.module.cls.predictions.decoder.weight @ weights
    assert (found.normed, found.transformed) == (False, True)
    assert [value for _, value in found.positive] == pytest.approx(want.topk(2).values.tolist(), rel=1e-5)
    assert found.negative[0][0] == loaded.tokenizer.convert_ids_to_tokens(int(want.argmin()))


def test_what_has_no_output_tokens_says_why(tmp_path):
    loaded = load(str(save_t5(tmp_path / "t5")), head=True, device="cpu")
    with pytest.raises(UsageError, match="encoder feeds a decoder"):
        output_tokens(loaded, 0, [0], 2)
    loaded = load(str(save_masked(tmp_path / "bert")), head=True, device="cpu")
    for layer, neuron in ((2, 0), (0, 24)):
        with pytest.raises(UsageError, match="layers 0 to 1 with neurons 0 to 23"):
            output_tokens(loaded, layer, [neuron], 2)
