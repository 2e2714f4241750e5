"""Captured activations against the block's own arithmetic on the stored weights."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from nwh.ingest.models import capture, forward, load
from nwh.warehouse.errors import ModelError, UsageError

LENGTHS = (9, 5, 2, 7)


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": lambda x: x * (x > 0),
    "relu2": lambda x: (x * (x > 0)) ** 2,
    "bloom": gelu_tanh,
    "silu": lambda x: x / (1 + torch.exp(-x)),
}


def batch(lengths=LENGTHS, seed=1):
    """Random sentences padded on the right: ids and mask, [len(lengths), max(lengths)]."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids = torch.randint(5, 26, mask.shape, generator=generator) * mask
    return ids, mask.long()


def activations(loaded, ids, mask, sites=("hidden", "ffn"), layers=None):
    """What one forward pass gives: (site, layer) -> [batch, tokens, width], and the last hidden state."""
    found = {}

    def keep(site, layer, tensor):
        assert (site, layer) not in found
        found[site, layer] = tensor.clone()

    with capture(loaded, sites, keep, layers):
        last = forward(loaded, ids, mask)
    return found, last


def linear(tensors, name, x):
    weight = tensors[name + ".weight"]
    if name.endswith("c_fc") and weight.shape[0] == x.shape[-1]:
        weight = weight.T  # GPT-2 stores [in, out]; GPT-Neo uses the same names for [out, in]
    return x @ weight.T + tensors.get(name + ".bias", 0)


# A norm of means and variances has a bias in most families; these have none, or no weight either.
CENTRED = ("modernbert", "modernbert-decoder", "cohere", "cohere2", "olmo")
LESS_ONE = ("gemma", "gemma2", "gemma3_text", "qwen3_5_text", "nemotron")  # what scales, less 1, is stored


def final_norm(tensors, case, config, x):
    weight, bias = tensors.get(case.norm + ".weight", 1), tensors.get(case.norm + ".bias")
    if bias is not None or config.model_type in CENTRED:  # else a root-mean-square norm
        x = x - x.mean(-1, keepdim=True)
    names = ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps")
    eps = next((getattr(config, name) for name in names if hasattr(config, name)), 1e-5)
    x = x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)
    return x * (weight + (config.model_type in LESS_ONE)) + (0 if bias is None else bias)


def close(a, b, tolerance=1e-5):
    return ((a - b).abs().max() / b.abs().max()).item() < tolerance


def test_ffn_is_the_activation_function_of_the_stored_weights(case, model_folder):
    folder = model_folder(case)
    loaded = load(str(folder), device="cpu")
    tensors = load_file(folder / "model.safetensors")
    ids, mask = batch()
    inputs = []  # of the up projection, in the order of the layers
    for block in set(loaded.family.blocks_of(loaded.base)):
        up = block.get_submodule(case.up)
        up.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    found, _ = activations(loaded, ids, mask)
    assert len(inputs) == case.n_layers == loaded.checkpoint.n_layers
    for layer in range(case.n_layers):
        block = case.block.format(case.blocks[layer])
        x = inputs[layer].reshape(*ids.shape, -1)
        up = linear(tensors, block + case.up, x)
        pre = linear(tensors, block + case.gate, x) if case.gate else up
        if case.fused:
            pre, up = up.chunk(2, -1)
        act = ACTIVATIONS[case.act]
        expected = act(pre) * up if case.gate else act(up)
        ffn = found["ffn", layer]
        assert ffn.shape == (*ids.shape, case.d_ffn) == (*ids.shape, loaded.checkpoint.d_ffn)
        assert close(ffn, expected)
        assert not close(ffn, up, 1e-2), "pre-activation values would pass this test"
        if case.act.startswith("gelu"):
            other = gelu if act is gelu_tanh else gelu_tanh
            assert not close(ffn, other(pre) * (up if case.gate else 1)), "the wrong GELU would pass this test"


def test_hidden_is_the_residual_stream_before_the_final_norm(case, model_folder):
    folder = model_folder(case)
    loaded = load(str(folder), device="cpu")
    ids, mask = batch()
    found, last = activations(loaded, ids, mask)
    stack = loaded.family.stack_of(loaded.base)
    with torch.inference_mode():
        reference = stack(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    assert close(last, reference.last_hidden_state)
    for layer in range(case.n_layers - 1):
        assert found["hidden", layer].shape == (*ids.shape, loaded.checkpoint.d_model)
        assert close(found["hidden", layer], reference.hidden_states[layer + 1])
    stream = found["hidden", case.n_layers - 1]
    if case.norm:
        tensors = load_file(folder / "model.safetensors")
        assert close(final_norm(tensors, case, loaded.module.config, stream), last)
        assert not close(stream, last, 1e-2), "a final norm would go unseen"
    else:
        assert close(stream, last)


def test_batched_equals_single(case, model_folder):
    loaded = load(str(model_folder(case)), device="cpu")
    ids, mask = batch()
    together, _ = activations(loaded, ids, mask)
    for row, length in enumerate(LENGTHS):
        alone, _ = activations(loaded, ids[row : row + 1, :length], mask[row : row + 1, :length])
        bare, _ = activations(loaded, ids[row : row + 1, :length], None)
        for key, tensor in alone.items():
            assert close(together[key][row, :length], tensor[0])
            assert close(bare[key], tensor)


def test_layers_and_sites_asked_for(case, model_folder):
    loaded = load(str(model_folder(case)), device="cpu")
    ids, mask = batch()
    everything, _ = activations(loaded, ids, mask)
    last = case.n_layers - 1
    some, _ = activations(loaded, ids, mask, sites=["ffn"], layers=[last])
    assert list(some) == [("ffn", last)]
    assert torch.equal(some["ffn", last], everything["ffn", last])
    assert list(everything) == [(site, layer) for layer in range(case.n_layers) for site in ("ffn", "hidden")]


def hooks(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def test_every_hook_is_gone_after_an_error(case, model_folder):
    loaded = load(str(model_folder(case)), device="cpu")
    ids, mask = batch()
    before, expected = hooks(loaded.module), activations(loaded, ids, mask)[0]

    def fail(site, layer, tensor):
        if layer == 1:
            raise KeyError("stop")

    with pytest.raises(KeyError), capture(loaded, ["hidden", "ffn"], fail):
        assert hooks(loaded.module) > before
        forward(loaded, ids, mask)
    assert hooks(loaded.module) == before
    again, _ = activations(loaded, ids, mask)
    assert all(torch.equal(again[key], expected[key]) for key in expected)


def test_layers_count_from_the_start_after_a_forward_that_failed(model_folder):
    loaded = load(str(model_folder("albert")), device="cpu")
    ids, mask = batch()
    seen = []

    def fail_once(site, layer, tensor):
        seen.append(layer)
        if seen == [0, 1, 2]:
            raise KeyError("stop")

    with capture(loaded, ["hidden"], fail_once):
        with pytest.raises(KeyError):
            forward(loaded, ids, mask)
        forward(loaded, ids, mask)
    assert seen == [0, 1, 2, 0, 1, 2, 3]


def test_the_head_changes_no_activation(case, model_folder):
    if case.objective == "encoder":
        with pytest.raises(ModelError, match=f"of {case.name} the encoder alone is read"):
            load(str(model_folder(case)), head=True, device="cpu")
        return
    ids, mask = batch()
    plain, _ = activations(load(str(model_folder(case)), device="cpu"), ids, mask)
    headed = load(str(model_folder(case)), head=True, device="cpu")
    found = {}
    with capture(headed, ["hidden", "ffn"], lambda site, layer, x: found.update({(site, layer): x.clone()})):
        options = {"decoder_input_ids": ids[:, :1]} if case.objective == "seq2seq" else {}
        with torch.inference_mode():
            logits = headed.module(input_ids=ids, attention_mask=mask, **options).logits
    assert logits.shape[-1] == headed.checkpoint.vocab_size
    assert found.keys() == plain.keys()
    assert all(close(found[key], plain[key]) for key in plain)


def test_the_decoder_of_t5(model_folder):
    folder = model_folder("t5-gated-gelu")
    loaded = load(str(folder), device="cpu")
    loaded = replace(loaded, family=loaded.family.of_answers())
    ids, mask = batch()
    inputs, found = [], {}
    for block in loaded.family.blocks_of(loaded.base):
        block.layer[2].DenseReluDense.wi_0.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    with (
        torch.inference_mode(),
        capture(loaded, ["ffn"], lambda _, layer, x: found.update({layer: x.clone()})),
    ):
        loaded.module(input_ids=ids, attention_mask=mask, decoder_input_ids=ids[:, :3])
    tensors = load_file(folder / "model.safetensors")
    assert list(found) == [0, 1]
    for layer, x in enumerate(inputs):
        part = f"decoder.block.{layer}.layer.2.DenseReluDense."
        expected = gelu_tanh(x @ tensors[part + "wi_0.weight"].T) * (x @ tensors[part + "wi_1.weight"].T)
        assert found[layer].shape == (4, 3, 40)
        assert close(found[layer], expected)


def test_unknown_sites_and_layers(model_folder):
    loaded = load(str(model_folder("bert-gelu")), device="cpu")
    with pytest.raises(UsageError, match=r"'mlp'.*hidden or ffn"), capture(loaded, ["mlp"], print):
        pass
    with (
        pytest.raises(UsageError, match="layers 0 to 2: there is no 3"),
        capture(loaded, ["ffn"], print, [3]),
    ):
        pass
    assert hooks(loaded.module) == 0
