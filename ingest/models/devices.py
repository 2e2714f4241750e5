"""Devices and number types that models run in, by name, and how exactly these multiply."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.warehouse.errors import UsageError

DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_dtype(dtype: str) -> torch.dtype:
    """Return the torch dtype of a name; UsageError for one that models are not loaded in."""
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r} is not known: use one of {', '.join(DTYPES)}")
    return DTYPES[dtype]


def pick_device(device: str) -> torch.device:
    """Return the torch device of a name, `auto` being the best there is; UsageError where it is not there."""
    has_mps = torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError:
        raise UsageError(f"device {device!r} is not known: use auto, cpu, cuda, cuda:N or mps") from None
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(has_mps)}.get(picked.type, 0)
    if (picked.index or 0) >= count:
        raise UsageError(f"this machine has no device {device!r}: use auto or cpu")
    return picked


def sent(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """Return what is in main memory on a device; CUDA copies it when its turn comes, and nobody waits for that."""
    here = torch.from_numpy(np.ascontiguousarray(values)) if isinstance(values, np.ndarray) else values
    pinned = device.type == "cuda" and here.numel() > 0
    return (here.pin_memory() if pinned else here).to(device, non_blocking=pinned)


@contextmanager
def multiplying(tf32: bool) -> Iterator[None]:
    """Multiply matrices of float32 exactly within the context, or with TF32's 10 bits of mantissa where `tf32` says so.

    Whatever the process had chosen holds again afterwards. The switch is torch's own for all devices; of those that nwh
    runs on, CUDA ones of compute capability 8.0 or higher know TF32.
    """
    before = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions
