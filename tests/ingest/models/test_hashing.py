"""The weight hash depends on the tensors and on nothing else."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from nwh.ingest.models.hashing import weights_sha256
from nwh.warehouse.errors import ModelError


def tensors(seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(3, 5, generator=generator) for name in ("b.weight", "a.weight", "c")}
    return {**made, "ids": torch.arange(4), "half": made["c"].bfloat16(), "scale": torch.tensor(2.0)}


def one_file(folder, values, metadata=None):
    folder.mkdir()
    save_file(values, folder / "model.safetensors", metadata=metadata)
    return [folder / "model.safetensors"]


def test_equal_tensors_hash_equally_whatever_the_files(tmp_path):
    values = tensors()
    plain = weights_sha256(one_file(tmp_path / "plain", values))
    labelled = one_file(tmp_path / "labelled", dict(reversed(values.items())), {"format": "pt", "by": "someone"})
    assert labelled[0].read_bytes() != (tmp_path / "plain" / "model.safetensors").read_bytes()
    names = sorted(values)
    for index, part in enumerate((names[::2], names[1::2])):
        save_file({name: values[name] for name in part}, tmp_path / f"part-{index}.safetensors")
    torch.save(values, tmp_path / "pytorch_model.bin")
    assert weights_sha256(labelled) == plain
    assert weights_sha256(tmp_path.glob("part-*.safetensors")) == plain
    assert weights_sha256([tmp_path / "pytorch_model.bin"]) == plain


def test_the_hash_is_that_of_names_types_shapes_and_bytes(tmp_path):
    values = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[3]])}
    digest = hashlib.sha256()
    digest.update(json.dumps(["a", "I64", [1, 1]]).encode() + (3).to_bytes(8, "little"))
    digest.update(json.dumps(["b", "F32", [2]]).encode() + bytes.fromhex("0000803f00000040"))
    assert weights_sha256(one_file(tmp_path / "model", values)) == digest.hexdigest()


@pytest.mark.parametrize("change", ["value", "name", "shape", "dtype"])
def test_any_difference_shows(tmp_path, change):
    values, other = tensors(), tensors()
    if change == "value":
        other["c"][2, 4] += 1e-6
    elif change == "name":
        other["d"] = other.pop("c")
    elif change == "shape":
        other["c"] = other["c"].reshape(5, 3)
    else:
        other["half"] = other["half"].view(torch.int16)
    first, second = one_file(tmp_path / "first", values), one_file(tmp_path / "second", other)
    assert weights_sha256(first) != weights_sha256(second)


def test_a_gguf_file_counts_as_it_is(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF and more")
    assert weights_sha256([tmp_path / "a.gguf"]) == hashlib.sha256(b"GGUF and more").hexdigest()


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_file_cut_short_is_an_error(tmp_path, keep):
    (file,) = one_file(tmp_path / "model", tensors())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match="fetch the checkpoint again"):
        weights_sha256([file])
