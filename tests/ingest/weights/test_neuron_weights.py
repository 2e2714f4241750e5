"""Facts of the weights, against tensors by their names in the files and figures taken one neuron at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nwh.ingest.models import load
from nwh.ingest.models.feed_forward import feed_forward
from nwh.ingest.models.unembedding import unembedding
from nwh.ingest.weights.neuron_weights import _ends, _Vocabulary, neuron_weights
from nwh.warehouse.errors import UsageError
from tests.ingest.knowledge.by_hand import tiny_model
from tests.ingest.models.conftest import BY_NAME, CASES
from tests.ingest.tiny_language_models import save_causal, save_masked, save_t5

PREDICTING = [case for case in CASES if case.objective in ("mlm", "clm")]


def tensor(stored, name, rows):
    """Return a stored matrix with `rows` rows: GPT-2 stores it the other way round."""
    (found,) = [value for key, value in stored.items() if key.endswith(name)]
    return (found if found.shape[0] == rows else found.T).float()


@pytest.mark.parametrize("case", PREDICTING, ids=str)
def test_every_familys_matrices_are_found(case, tmp_path):
    model = tiny_model(case, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    for layer, block in enumerate(case.blocks[: model.checkpoint.n_layers]):
        found = feed_forward(model, layer)
        prefix = case.block.format(block)
        up = tensor(stored, f"{prefix}{case.up}.weight", (1 + case.fused) * case.d_ffn)
        assert torch.equal(found.write, tensor(stored, f"{prefix}{case.down}.weight", 24).T)
        if case.fused:
            assert torch.equal(found.gate, up[: case.d_ffn])
            up = up[case.d_ffn :]
        elif case.gate:
            assert torch.equal(found.gate, tensor(stored, f"{prefix}{case.gate}.weight", case.d_ffn))
        else:
            assert found.gate is None
        assert torch.equal(found.read, up)


def save(kind, folder):
    if kind in ("masked", "causal"):
        return load(str((save_masked if kind == "masked" else save_causal)(folder)), head=True, device="cpu")
    model = tiny_model(BY_NAME[kind], folder)
    norm = model.module.model.norm
    with torch.no_grad():
        norm.weight.uniform_(0.2, 2)
    return model


@pytest.mark.parametrize("kind", ["masked", "causal", "llama", "gemma"])
def test_figures_are_those_of_each_neuron_alone(kind, tmp_path):
    model = save(kind, tmp_path)
    head = model.module.get_output_embeddings().weight.detach().double()[: len(model.tokenizer)].numpy()
    norm = {"masked": None, "causal": "gpt_neox.final_layer_norm"}.get(kind, "model.norm")
    if norm is not None:
        scale = model.module.get_submodule(norm).weight.detach().double().numpy() + (kind == "gemma")
        head = head * scale
        head = head - head.mean(1, keepdims=True) if kind == "causal" else head
    counts = torch.arange(len(head)) % 7  # some tokens were never seen
    seen = counts.numpy() > 0
    _, _, directions = np.linalg.svd(head, full_matrices=True)
    null = directions[-max(1, round(0.05 * head.shape[1])) :]
    for layer, found in enumerate(neuron_weights(model, 3, counts)):
        block = feed_forward(model, layer)
        for i in range(0, model.checkpoint.d_ffn, 5):
            read, write = block.read[i].double().numpy(), block.write[i].double().numpy()
            changes = head @ write
            sizes = np.linalg.norm(head, axis=1)  # of [PAD] 0, in BERT: so is its cosine
            cosines = changes / np.where(sizes == 0, 1, sizes) / np.linalg.norm(write)
            want = {
                "read_norm": np.linalg.norm(read),
                "write_norm": np.linalg.norm(write),
                "read_cosine": read @ write / np.linalg.norm(read) / np.linalg.norm(write),
                "logit_variance": cosines.var(),
                "null_share": np.linalg.norm(null @ write) / np.linalg.norm(write),
                "frequency_correlation": np.corrcoef(changes[seen], np.log(counts.numpy()[seen]))[0, 1],
            }
            for name, value in want.items():
                assert getattr(found, name)[i].item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
            assert found.top[i].tolist() == np.argsort(-changes)[:3].tolist()
            assert found.bottom[i].tolist() == np.argsort(changes)[:3].tolist()
            if block.gate is None:
                assert found.gate_norm is None
            else:
                gate = block.gate[i].double().numpy()
                assert found.gate_norm[i].item() == pytest.approx(np.linalg.norm(gate), rel=1e-5)
                cosine = gate @ write / np.linalg.norm(gate) / np.linalg.norm(write)
                assert found.gate_cosine[i].item() == pytest.approx(cosine, rel=1e-4, abs=1e-6)
    assert layer == model.checkpoint.n_layers - 1


@pytest.mark.parametrize("n_tokens", [2000, 2048, 5001])
def test_the_ends_of_a_large_vocabulary_are_those_of_a_sort(n_tokens):
    draw = torch.Generator().manual_seed(0)
    vocabulary = _Vocabulary(torch.randn(n_tokens, 8, generator=draw), None, 5)
    rows = torch.randn(11, 8, generator=draw)
    changes = rows @ vocabulary.tokens.T
    top, bottom = _ends(rows, vocabulary)
    assert torch.equal(top, changes.argsort(1, descending=True)[:, :5])
    assert torch.equal(bottom, changes.argsort(1)[:, :5])


def test_planted_neurons_stand_out(tmp_path):
    """One writes where the unembedding reads least, one towards what tells frequent tokens from rare ones."""
    model = tiny_model(BY_NAME["llama"], tmp_path)  # its norm centres nothing
    head, down = model.module.lm_head.weight, model.module.model.layers[1].mlp.down_proj.weight
    counts = torch.arange(1, len(model.tokenizer) + 1)
    with torch.no_grad():
        head[:, 3] = 0.0
        head[: len(counts), 5] = counts.log()
        down[:, 7], down[:, 9] = 0.0, 0.0
        down[3, 7] = down[5, 9] = 4.0
    found = list(neuron_weights(model, 3, counts))[1]
    assert found.null_share.argmax() == 7
    assert found.logit_variance.argmin() == 7
    assert found.frequency_correlation.nan_to_num().argmax() == 9  # 7 changes no logit: NaN
    assert found.frequency_correlation[9] > 0.9


def test_no_tokens_were_counted_and_a_neuron_without_weights(tmp_path):
    model = load(str(save_causal(tmp_path)), head=True, device="cpu")
    with torch.no_grad():
        model.module.gpt_neox.layers[0].mlp.dense_4h_to_h.weight[:, 2] = 0
    for counts in (None, torch.zeros(len(model.tokenizer), dtype=torch.int64)):
        found = next(neuron_weights(model, 3, counts))
        assert found.frequency_correlation is None
        assert found.write_norm[2] == 0
        assert found.read_cosine[2].isnan()
        assert found.null_share[2].isnan()
        assert found.logit_variance[2].isnan()


def test_a_model_without_an_unembedding_says_so(tmp_path):
    for folder, head, match in (
        (save_t5(tmp_path / "t5"), True, "encoder feeds a decoder"),
        (tmp_path / "albert", True, "write 24 dimensions and its unembedding reads 12"),
    ):
        model = tiny_model(BY_NAME["albert"], folder) if folder.name == "albert" else load(str(folder), head=head)
        with pytest.raises(UsageError, match=match):
            next(neuron_weights(model))
        with pytest.raises(UsageError, match=match):
            unembedding(model)
