"""How exactly a device multiplies float32 numbers while a model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
