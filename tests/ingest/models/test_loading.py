"""What a loaded checkpoint is: weights, tokenizer, window, and the values of its row."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file

from nwh.ingest.models import forward, load
from nwh.ingest.models.devices import pick_device
from nwh.ingest.models.hashing import weights_sha256
from nwh.ingest.models.hook_points import hook_points
from nwh.warehouse.errors import UsageError
from nwh.warehouse.schema import RELATIONS


def test_the_row_of_every_family(case, model_folder):
    folder = model_folder(case)
    loaded = load(str(folder), device="cpu")
    stored = load_file(folder / "model.safetensors")
    row = asdict(loaded.checkpoint)
    hooks = hook_points(loaded.checkpoint.family, loaded.checkpoint.family_description)
    assert [*row, *hooks] == [column.name for column in RELATIONS["checkpoints"].columns]
    other = (
        "lm_head",
        "cls.",
        "vocab_",
        "predictions",
        "generator_",
        "embed_out",
        "pooler",
        "head.",
        "decoder.bias",
        "final_logits_bias",
    )
    in_base = sum(
        tensor.numel()
        for name, tensor in stored.items()
        if not name.startswith(other) and not name.endswith("layer_scalar")
    )
    assert row == {
        "model": case.name,
        "checkpoint": "main",
        "series": case.name,
        "seed": None,
        "step": None,
        "source": str(folder),
        "revision": None,
        "family": case.family,
        "family_description": None,
        "objective": case.objective,
        "n_layers": case.n_layers,
        "d_model": 24,
        "d_ffn": case.d_ffn,
        "vocab_size": 26,
        "n_parameters": in_base,
        "weights_sha256": weights_sha256([folder / "model.safetensors"]),
    }
    if case.objective != "encoder":
        assert load(str(folder), device="cpu", head=True).checkpoint == loaded.checkpoint


def test_a_head_of_its_own_is_not_counted(tmp_path, model_folder):
    folder = shutil.copytree(model_folder("t5-relu"), tmp_path / "untied")  # as in T5 1.1
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["shared.weight"] + 1
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    headed = load(str(folder), head=True, device="cpu")
    assert torch.equal(headed.module.lm_head.weight, tensors["lm_head.weight"])
    assert headed.checkpoint == load(str(folder), device="cpu").checkpoint


def test_the_module_is_frozen_and_holds_the_stored_weights(model_folder):
    folder = model_folder("llama")
    loaded = load(str(folder), device="cpu")
    assert not loaded.module.training
    assert not any(parameter.requires_grad for parameter in loaded.module.parameters())
    stored = load_file(folder / "model.safetensors")
    for name, parameter in loaded.module.named_parameters():
        assert torch.equal(parameter, stored[f"model.{name}"])
    assert (loaded.dtype, loaded.device) == (torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_dtype_asked_for(model_folder, dtype):
    loaded = load(str(model_folder("bert-gelu")), dtype=dtype, device="cpu")
    assert loaded.dtype == getattr(torch, dtype)
    assert forward(loaded, torch.tensor([[2, 5, 3]])).dtype == loaded.dtype


def test_weights_stored_in_half_precision_are_loaded_as_float32(tmp_path, save, model_folder):
    half = load(str(model_folder("bert-gelu")), device="cpu", dtype="bfloat16").module
    half.save_pretrained(save(tmp_path / "half"))
    assert load_file(tmp_path / "half" / "model.safetensors")["embeddings.LayerNorm.bias"].dtype == torch.bfloat16
    assert load(str(tmp_path / "half"), device="cpu").module.dtype == torch.float32


def test_devices_and_dtypes_that_are_not_there(model_folder):
    folder = str(model_folder("bert-gelu"))
    with pytest.raises(UsageError, match=r"'int8'.*float32, tf32, bfloat16, float16"):
        load(folder, dtype="int8")
    for device in ("tpu9", "cuda:99", "meta", "cpu:1"):
        with pytest.raises(UsageError, match=f"'{device}'"):
            load(folder, device=device)
    assert pick_device("auto").type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize(
    ("name", "window"),
    # Tables of 40 positions; RoBERTa's first one (pad_token_id 0) is never used, OPT's is made 2 longer.
    [
        ("bert-gelu", 40),
        ("roberta-gelu", 39),
        ("opt", 40),
        ("gpt2", 40),
        ("gpt_neo", 40),
        ("llama", 64),
        ("t5-relu", 512),
    ],
)
def test_the_window_is_the_longest_sequence_that_runs(model_folder, name, window):
    loaded = load(str(model_folder(name)), device="cpu")
    assert loaded.window == window
    ids = torch.full((1, window), 7)
    assert forward(loaded, ids).isfinite().all()
    if window in (39, 40):
        with pytest.raises((IndexError, RuntimeError)):
            forward(loaded, torch.full((1, window + 1), 7))


def test_a_tokenizer_may_shorten_the_window(tmp_path, save):
    folder = save(tmp_path / "short")
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_max_length": 16}))
    assert load(str(folder), device="cpu").window == 16


def test_a_tokenizer_without_a_pad_token_pads(tmp_path, save):
    loaded = load(str(save(tmp_path / "no-pad", pad=False)), device="cpu")
    padded = loaded.tokenizer(["word1", "word1 word2 word3"], padding=True, return_tensors="pt")
    assert padded.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    alone = loaded.tokenizer(["word1"], return_tensors="pt")
    together = forward(loaded, padded.input_ids, padded.attention_mask)[0, :3]
    torch.testing.assert_close(together, forward(loaded, alone.input_ids)[0], rtol=1e-5, atol=1e-5)


def test_checkpoints_in_sub_folders_share_the_tokenizer_beside_them(tmp_path, save):
    series = tmp_path / "series"
    for step, seed in (("step0", 0), ("step_20k", 1), ("step_40k", 1)):
        save(series / step, seed=seed)
        for file in series.glob(f"{step}/tokenizer*"):
            file.rename(series / file.name)
    models = [load(str(series), step, device="cpu") for step in ("step0", "step_20k", "step_40k")]
    # Without tokenizer files transformers makes an empty tokenizer and says nothing.
    assert [model.tokenizer("word1").input_ids for model in models] == [[2, 6, 3]] * 3
    rows = [model.checkpoint for model in models]
    assert [(row.model, row.checkpoint, row.step) for row in rows] == [
        ("series", "step0", 0),
        ("series", "step_20k", 20_000),
        ("series", "step_40k", 40_000),
    ]
    assert rows[1].weights_sha256 == rows[2].weights_sha256 != rows[0].weights_sha256
    again = load(rows[1].source, rows[1].checkpoint, device="cpu").checkpoint
    assert again == rows[1]


def test_sharded_weights(tmp_path, save):
    whole = load(str(save(tmp_path / "whole")), device="cpu")
    sharded = load(str(save(tmp_path / "sharded", max_shard_size="10KB")), device="cpu")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 2
    assert sharded.checkpoint.weights_sha256 == whole.checkpoint.weights_sha256
    ids = torch.tensor([[2, 6, 7, 3]])
    assert torch.equal(forward(whole, ids), forward(sharded, ids))


def test_importing_the_room_does_not_import_transformers():
    code = "import sys, nwh.ingest.models; assert not {'transformers', 'huggingface_hub'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_prints_nothing_and_restores_the_settings_of_transformers(tmp_path, save):
    folder = save(tmp_path / "quiet", auto="AutoModelForMaskedLM")  # its unused head would be reported
    code = (
        "import sys\n"
        "from transformers.utils import logging\n"
        "from nwh.ingest.models import load\n"
        "load(sys.argv[1], device='cpu')\n"
        "assert logging.get_verbosity() == logging.INFO\n"
        "assert logging.is_progress_bar_enabled()\n"
    )
    environment = {**os.environ, "TRANSFORMERS_VERBOSITY": "info"}
    done = subprocess.run([sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
