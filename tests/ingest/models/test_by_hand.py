"""Whole forward passes written out in numpy, from the stored weights to every layer's activations."""

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy.special import erf, softmax

from nwh.ingest.models import capture, forward, load

HEADS, WIDTH = 4, 6
IDS = np.array([5, 9, 14, 7, 21, 9, 6])


def activations(folder):
    found = {}
    loaded = load(str(folder), device="cpu")
    with capture(loaded, ["hidden", "ffn"], lambda site, layer, x: found.update({(site, layer): x[0].numpy()})):
        forward(loaded, torch.tensor(IDS)[None])
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-4, atol=1e-5)


def layer_norm(x, weight, bias, eps):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight + bias


def attention(q, k, v, causal):
    """Scaled dot-product attention: [heads, tokens, width] each -> [tokens, heads * width]."""
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(q.shape[1], dtype=bool), scores, -np.inf)
    return (softmax(scores, -1) @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)


def heads(x):
    return x.reshape(len(x), -1, WIDTH).transpose(1, 0, 2)


def rotate(x, share=1.0, base=10_000.0):
    """Rotary positions (Su et al. 2021) over the first `share` of each head's width, halves paired."""
    size = int(x.shape[-1] * share)
    angles = np.arange(x.shape[1])[:, None] / base ** (np.arange(0, size, 2) / size)
    first, second = x[..., : size // 2], x[..., size // 2 : size]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin, x[..., size:]], -1)


def test_bert(model_folder):
    folder = model_folder("bert-gelu")
    weights = load_file(folder / "model.safetensors")

    def linear(name, x):
        return x @ weights[f"bert.{name}.weight"].T + weights[f"bert.{name}.bias"]

    def norm(name, x):
        return layer_norm(x, weights[f"bert.{name}.weight"], weights[f"bert.{name}.bias"], 1e-12)

    def embedding(name):
        return weights[f"bert.embeddings.{name}_embeddings.weight"]

    x = embedding("word")[IDS] + embedding("position")[: len(IDS)] + embedding("token_type")[0]
    x = norm("embeddings.LayerNorm", x)
    expected = {}
    for layer in range(3):
        at = f"encoder.layer.{layer}."
        q, k, v = (heads(linear(f"{at}attention.self.{part}", x)) for part in ("query", "key", "value"))
        mixed = linear(at + "attention.output.dense", attention(q, k, v, causal=False))
        x = norm(at + "attention.output.LayerNorm", x + mixed)
        inner = linear(at + "intermediate.dense", x)
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        x = norm(at + "output.LayerNorm", x + linear(at + "output.dense", inner))
        expected |= {("ffn", layer): inner, ("hidden", layer): x}
    assert_same(activations(folder), expected)


def test_gpt_neox_with_its_parallel_residual(model_folder):
    folder = model_folder("gpt_neox")
    weights = load_file(folder / "model.safetensors")

    def linear(name, x):
        return x @ weights[f"gpt_neox.{name}.weight"].T + weights[f"gpt_neox.{name}.bias"]

    def norm(name, x):
        return layer_norm(x, weights[f"gpt_neox.{name}.weight"], weights[f"gpt_neox.{name}.bias"], 1e-5)

    x = weights["gpt_neox.embed_in.weight"][IDS]
    expected = {}
    for layer in range(3):
        at = f"layers.{layer}."
        mixed = linear(at + "attention.query_key_value", norm(at + "input_layernorm", x))
        q, k, v = np.split(mixed.reshape(len(IDS), HEADS, 3 * WIDTH).transpose(1, 0, 2), 3, axis=-1)
        q, k = rotate(q, 0.7), rotate(k, 0.7)
        mixed = linear(at + "attention.dense", attention(q, k, v, causal=True))
        inner = linear(at + "mlp.dense_h_to_4h", norm(at + "post_attention_layernorm", x))
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        x = x + mixed + linear(at + "mlp.dense_4h_to_h", inner)
        expected |= {("ffn", layer): inner, ("hidden", layer): x}
    assert_same(activations(folder), expected)


def test_llama_with_shared_keys_and_a_gated_mlp(model_folder):
    folder = model_folder("llama")
    weights = load_file(folder / "model.safetensors")

    def linear(name, x):
        return x @ weights[f"model.{name}.weight"].T

    def norm(name, x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weights[f"model.{name}.weight"]

    x = weights["model.embed_tokens.weight"][IDS]
    expected = {}
    for layer in range(3):
        at = f"layers.{layer}."
        normed = norm(at + "input_layernorm", x)
        q, k, v = (heads(linear(f"{at}self_attn.{part}_proj", normed)) for part in "qkv")
        k, v = (np.repeat(part, 2, axis=0) for part in (rotate(k), v))  # two query heads share a key head
        x = x + linear(at + "self_attn.o_proj", attention(rotate(q), k, v, causal=True))
        normed = norm(at + "post_attention_layernorm", x)
        gate = linear(at + "mlp.gate_proj", normed)
        inner = gate / (1 + np.exp(-gate)) * linear(at + "mlp.up_proj", normed)
        x = x + linear(at + "mlp.down_proj", inner)
        expected |= {("ffn", layer): inner, ("hidden", layer): x}
    assert_same(activations(folder), expected)
