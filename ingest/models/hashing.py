"""The hash of a checkpoint's weights: equal for equal tensors, whatever the files around them say.

Identical uploads under different names have happened (EleutherAI/pythia#195); this is how they are found.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nwh.warehouse.errors import ModelError

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


def weights_sha256(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the tensors in weight files, as 64 hex digits.

    files: one checkpoint's `*.safetensors` shards, or its pickles, or one `*.gguf` file.
    Tensors go in sorted by name, each as its name, dtype, shape and raw bytes; sharding and metadata do not
    count. A GGUF file counts as it is. Safetensors are mapped, not read into memory; a pickle is read whole.
    ModelError: a file that cannot be read.
    """
    paths = sorted(files)
    try:
        if paths[0].suffix == ".gguf":
            with paths[0].open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        tensors = _of_safetensors(paths) if paths[0].suffix == ".safetensors" else _of_pickles(paths)
        for name, dtype, tensor in tensors:
            digest.update(json.dumps([name, dtype, list(tensor.shape)]).encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"the weights in {paths[0].parent} cannot be read ({error}): fetch the checkpoint again"
        ) from error


def _of_safetensors(paths: list[Path]) -> Iterator[tuple[str, str, Tensor]]:
    """Yield name, dtype and values of the tensors in shards, by name."""
    with ExitStack() as stack:
        shards = [stack.enter_context(safe_open(path, "pt")) for path in paths]
        shard_of = {name: shard for shard in shards for name in shard.keys()}  # noqa: SIM118
        for name, shard in sorted(shard_of.items()):
            yield name, shard.get_slice(name).get_dtype(), shard.get_tensor(name)


def _of_pickles(paths: list[Path]) -> Iterator[tuple[str, str, Tensor]]:
    tensors: dict[str, Tensor] = {}
    for path in paths:
        tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    for name, tensor in sorted(tensors.items()):
        yield name, _DTYPES[tensor.dtype], tensor
