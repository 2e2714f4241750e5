"""What must hold on the device: the summaries of the CPU, whatever the chunks, and the same rows each time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from nwh.ingest.activations.device_buffer import DeviceBuffer
from nwh.ingest.activations.memory_plan import plan
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.activations.summaries.loops import COMPILED, IN_TORCH
from nwh.ingest.plan.shapes import Shape, model_of
from tests.device import passes
from tests.device.shapes import sentences

Check = tuple[str, bool, str]
"""What is checked, whether it holds, and a figure."""


def checks(device: str, shape: Shape, n: int, k: int, times: int) -> Iterator[Check]:
    """Yield what was checked, one by one: `n` sentences of a model of this shape, run `times` times."""
    yield from _summaries(device)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = passes.text(Path(folder), sentences(shape, n))
        on_cpu = passes.run_pass(passes.streaming_of(warehouse, model_of(shape, "cpu", "float32"), n, k, False))
        streaming = passes.streaming_of(warehouse, model_of(shape, device, "float32"), n, k, True)
        first = passes.run_pass(streaming)
        apart = max(_apart(on_cpu.summaries[place], summary) for place, summary in first.summaries.items())
        yield "float32 activations are those of the CPU within 1e-5 of the largest", apart < 1e-5, f"{apart:.1e}"
        rows = _rows(first.summaries)
        same = all(_equal(rows, _rows(passes.run_pass(streaming).summaries)) for _ in range(times - 1))
        yield f"{times} runs of the same batches: the same rows", same, f"{times}"
        whole = plan(streaming.widths(), streaming.state, streaming.model)
        layers = len(whole.passes[0])
        fixed = plan(streaming.widths([0]), streaming.state, streaming.model).device
        limit = fixed + (whole.device - fixed) // 2
        cut = passes.run_pass(replace(streaming, limit=limit))
        several = any("passes over the corpus" in note for note in cut.notes)
        same = several and _equal(rows, _rows(cut.summaries))
        yield f"several passes over {layers} layers: the rows of one", same, "; ".join(cut.notes)
        if device.startswith("cuda"):
            yield "the host does not wait for the device for a batch's layers", *_waits(streaming)


def _summaries(device: str) -> Iterator[Check]:
    rng = np.random.default_rng(0)
    for ties in (False, True):
        for k in (1, 500, 5000):
            values = rng.standard_normal((96, 9000)).astype(np.float32) * 10.0 ** rng.integers(-6, 6, (96, 1))
            values = (np.round(values) if ties else values).astype(np.float32)
            positions = torch.from_numpy(rng.integers(0, 99, values.shape).astype(np.int16))
            sample = torch.arange(0, 9000, 90)
            one = LayerSummary(96, k, sample, True, COMPILED)
            two = LayerSummary(96, k, sample, True, IN_TORCH, device)
            for summary, size in ((one, 1024), (two, 1700)):
                for start in range(0, 9000, size):
                    part = slice(start, start + size)
                    there = torch.from_numpy(values[:, part].copy()).to(summary.max_token.device)
                    at = positions[:, part].contiguous().to(there.device)
                    summary.update(there, torch.arange(9000)[part], at)
            same = _equal(_rows({("ffn", 0): one}), _rows({("ffn", 0): two}))
            apart = float((one.moments.std - two.moments.std.cpu()).abs().max() / one.moments.std.max())
            said = f"K = {k:,}, {'ties' if ties else 'no ties'}"
            yield f"summaries are the CPU's to the last bit ({said})", same, f"standard deviations {apart:.0e} apart"


def _rows(summaries: dict[tuple[str, int], LayerSummary]) -> list[torch.Tensor]:
    """Return all that rows are made of, but for moments, which are rounded."""
    found: list[torch.Tensor] = []
    for summary in summaries.values():
        poles = [part for pole in (summary.top, summary.bottom) for part in pole.result() if part is not None]
        histogram = [*summary.histogram.bins(), summary.histogram.quantiles(), summary.histogram.resolution]
        found += [*poles, *(part.cpu().clone() for part in histogram)]
        found += [summary.sampled.cpu().nan_to_num(0.0), summary.moments.positive.cpu().clone()]
    return found


def _equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _apart(one: LayerSummary, other: LayerSummary) -> float:
    """Return how far sampled activations are apart, over the largest."""
    a, b = one.sampled, other.sampled.cpu()
    return float((a - b).nan_to_num(0.0).abs().max() / a.nan_to_num(0.0).abs().max())


def _waits(streaming: passes.Streaming) -> tuple[bool, str]:
    """Return whether a pass takes in all batches with waiting made an error, and what it said."""
    real = DeviceBuffer.add

    def add(*arguments: Any) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            real(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with patch.object(DeviceBuffer, "add", add):
        try:
            passes.run_pass(streaming)
        except RuntimeError as error:
            return False, str(error).splitlines()[0]
    return True, "checked by torch"
