"""Checkpoints that cannot be loaded: each is one clear error, none a traceback of transformers."""

import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file

from nwh.ingest.models import load
from nwh.warehouse.errors import ModelError, UsageError


def pickled(folder):
    """Turn a folder's safetensors file into a pickle of the same tensors."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    torch.save(tensors, folder / "pytorch_model.bin")
    file.unlink()
    return folder


def test_pickled_weights_need_leave(tmp_path, save):
    safe = load(str(save(tmp_path / "safe")), device="cpu").checkpoint
    folder = pickled(save(tmp_path / "pickled"))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin.*--allow-pickle"):
        load(str(folder), device="cpu")
    loaded = load(str(folder), device="cpu", allow_pickle=True).checkpoint
    assert loaded.weights_sha256 == safe.weights_sha256


class Touch:
    """Makes a file when unpickled: what a hostile checkpoint does."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_a_hostile_pickle_is_not_run(tmp_path, save):
    folder = save(tmp_path / "hostile")
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings": Touch(str(tmp_path / "harm"))}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError):
        load(str(folder), device="cpu", allow_pickle=True)
    assert not (tmp_path / "harm").exists()


def test_safetensors_are_preferred_to_a_pickle_beside_them(tmp_path, save):
    folder = save(tmp_path / "both")
    torch.save({"embeddings": Touch(str(tmp_path / "harm"))}, folder / "pytorch_model.bin")
    load(str(folder), device="cpu", allow_pickle=True)
    assert not (tmp_path / "harm").exists()


def configure(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return str(folder)


def test_code_of_a_repository_is_never_run(tmp_path, save):
    folder = save(tmp_path / "custom")
    code = f"import os; os.mkdir({str(tmp_path / 'harm')!r})\n"
    (folder / "custom.py").write_text(code)
    auto_map = {"AutoConfig": "custom.Config", "AutoModel": "custom.Model"}
    load(configure(folder, auto_map=auto_map), device="cpu")  # transformers has BERT of its own
    with pytest.raises(UsageError, match=r"'custom'.*bert"):
        load(configure(folder, model_type="custom"), device="cpu")
    assert not (tmp_path / "harm").exists()


def test_a_config_that_names_no_family(tmp_path, save):
    folder = save(tmp_path / "nameless")
    with pytest.raises(UsageError, match=r"'mamba'.*gpt-neox"):
        load(configure(folder, model_type="mamba"))
    (folder / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"none in config\.json"):
        load(str(folder))
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match=r"configuration of .*nameless"):
        load(str(folder))


def test_weights_of_another_model(tmp_path, save):
    folder = save(tmp_path / "deeper")
    with pytest.raises(ModelError, match=r"lacks 16 tensors of a BertModel, such as encoder\.layer\.3"):
        load(configure(folder, num_hidden_layers=4), device="cpu")
    with pytest.raises(ModelError, match=r"weights of .*deeper"):
        load(configure(folder, num_hidden_layers=3, intermediate_size=44), device="cpu")


def test_a_model_without_a_head(tmp_path, save):
    folder = save(tmp_path / "headless")
    with pytest.raises(ModelError, match=r"no language-model head \(\['BertModel'\]\)"):
        load(str(folder), head=True, device="cpu")


def test_weights_that_are_missing_or_cut(tmp_path, save):
    sharded = save(tmp_path / "sharded", max_shard_size="10KB")
    shard = sorted(sharded.glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(ModelError, match=f"lacks {shard.name}"):
        load(str(sharded), device="cpu")
    cut = save(tmp_path / "cut")
    file = cut / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"weights of .*cut"):
        load(str(cut), device="cpu")
    file.unlink()
    with pytest.raises(ModelError, match="has no weights"):
        load(str(cut), device="cpu")
    (cut / "tf_model.h5").write_bytes(b"")
    with pytest.raises(ModelError, match="has no weights"):
        load(str(cut), device="cpu")


def test_a_missing_tokenizer(tmp_path, save):
    folder = save(tmp_path / "mute")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer.*tokenizer\.json"):
        load(str(folder), device="cpu")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer of .*mute"):
        load(str(folder), device="cpu")


def test_a_file_that_is_no_gguf(tmp_path):
    pytest.importorskip("gguf")
    (tmp_path / "noise.gguf").write_bytes(b"noise" * 100)
    with pytest.raises(ModelError, match=r"configuration of .*noise"):
        load(str(tmp_path / "noise.gguf"))


@pytest.mark.parametrize("extra", ["gguf", "accelerate"])
def test_gguf_without_its_reader(tmp_path, monkeypatch, extra):
    (tmp_path / "tiny.gguf").write_bytes(b"")
    monkeypatch.setitem(sys.modules, extra, None)  # what Python itself does for a module that cannot be imported
    with pytest.raises(ModelError, match=r"pip install nwh\[gguf\]"):
        load(str(tmp_path / "tiny.gguf"))
