"""The hash of a checkpoint's weights: equal for equal tensors, whatever the files around them say.

Identical uploads under different names have happened (EleutherAI/pythia#195); this is how they are found.
"""

import hashlib
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nwh.warehouse.errors import ModelError

_CHUNK = 1 << 24
# The names safetensors gives to dtypes, so that a pickle hashes like the safetensors file made from it.
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class _Slice(NamedTuple):
    """Where a safetensors file holds one tensor."""

    dtype: str
    shape: list[int]
    path: Path
    start: int
    size: int


def weights_sha256(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the tensors in weight files, as 64 hex digits.

    files: one checkpoint's `*.safetensors` shards, or its pickles, or one `*.gguf` file.
    Tensors go in sorted by name, each as its name, dtype, shape and raw bytes; sharding and metadata do not
    count. A GGUF file counts as it is. Memory is bounded for safetensors and GGUF; a pickle is read whole.
    ModelError: a file that cannot be read.
    """
    paths = sorted(files)
    try:
        if paths[0].suffix == ".gguf":
            with paths[0].open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        return _of_safetensors(paths) if paths[0].suffix == ".safetensors" else _of_pickles(paths)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(
            f"the weights in {paths[0].parent} cannot be read ({error}): fetch the checkpoint again"
        ) from error


def _of_safetensors(paths: list[Path]) -> str:
    slices: dict[str, _Slice] = {}
    for path in paths:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError(f"{path.name} is not a safetensors file")
            header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            slices[name] = _Slice(entry["dtype"], entry["shape"], path, 8 + length + begin, end - begin)
    digest = hashlib.sha256()
    opened = {path: path.open("rb") for path in paths}
    try:
        for name, tensor in sorted(slices.items()):
            digest.update(_title(name, tensor.dtype, tensor.shape))
            shard, left = opened[tensor.path], tensor.size
            shard.seek(tensor.start)
            while left:
                chunk = shard.read(min(left, _CHUNK))
                if not chunk:
                    raise ValueError(f"{tensor.path.name} ends within tensor {name}")
                digest.update(chunk)
                left -= len(chunk)
    finally:
        for shard in opened.values():
            shard.close()
    return digest.hexdigest()


def _of_pickles(paths: list[Path]) -> str:
    tensors: dict[str, torch.Tensor] = {}
    for path in paths:
        tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(_title(name, _DTYPES[tensor.dtype], list(tensor.shape)))
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _title(name: str, dtype: str, shape: list[int]) -> bytes:
    return json.dumps([name, dtype, shape]).encode()
