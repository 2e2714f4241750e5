"""How much longer a pass takes than the model alone over the same batches, and what memory it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nwh.ingest.plan.shapes import Shape, model_of
from tests.device import passes
from tests.device.shapes import sentences


@dataclass
class Figure:
    """One line of the table; seconds are of the loop over batches."""

    model: str
    dtype: str
    k: int
    sentences: int
    bare_seconds: float
    seconds: float
    tokens: int
    planned_gb: float
    peak_gb: float | None
    result_seconds: float

    @property
    def row(self) -> dict[str, Any]:
        """The line as a table and JSON have it."""
        per_second = self.sentences / self.seconds
        return {
            **asdict(self),
            "ratio": self.seconds / self.bare_seconds,
            "sentences_per_second": per_second,
            "tokens_per_second": self.tokens / self.seconds,
        }


def figures(
    device: str, shape: Shape, dtypes: list[str], ks: list[int], n: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield a figure for each dtype and K, over as many of `n` sentences as the model reads in some `seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = passes.text(Path(folder), sentences(shape, n))
        for dtype in dtypes:
            model = model_of(shape, device, dtype)
            few = max(64, n // 20)
            passes.run_pass(passes.streaming_of(warehouse, model, few, ks[0], True))  # what is loaded once
            quick, _ = passes.bare_seconds(passes.streaming_of(warehouse, model, few, ks[0], True))
            size = min(n, max(few, int(few * seconds / quick)))
            for k in ks:
                yield _figure(warehouse, model, shape.name, dtype, k, size)
            del model


def _figure(
    warehouse: passes.Warehouse, model: passes.LoadedModel, name: str, dtype: str, k: int, n: int
) -> dict[str, Any]:
    from nwh.ingest.activations.memory_plan import plan

    streaming = passes.streaming_of(warehouse, model, n, k, True)
    planned = plan(streaming.widths(), streaming.state, model)
    cuda, before = model.device.type == "cuda", 0
    first, tokens = passes.bare_seconds(streaming)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(model.device)
        before = torch.cuda.memory_allocated(model.device)
    passed = passes.run_pass(streaming)
    peak = (torch.cuda.max_memory_allocated(model.device) - before) / 1e9 if cuda else None
    began = time.monotonic()
    for summary in passed.summaries.values():
        for pole in (summary.top, summary.bottom):
            pole.result()
    result = time.monotonic() - began
    again, _ = passes.bare_seconds(streaming)  # before and after: a device that warms up is slower for both
    bare = (first + again) / 2
    figure = Figure(name, dtype, k, n, bare, passed.seconds, tokens, planned.device / 1e9, peak, result)
    return figure.row
