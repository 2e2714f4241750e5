"""Between the hooks and the summaries where both stay on the model's device: nothing of a sentence reaches the host.

All layers and sites of a pass lie side by side, as columns of one buffer and as neurons of one summary, so that the
number of kernels does not grow with the number of layers. While batches come the host never waits for the device; when
the buffer is full it does a few times for each `VALUES` values: to see that they are finite, and how many of them are
candidates for the top and the bottom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from nwh.ingest.activations.aggregates import Aggregate, mean
from nwh.ingest.activations.batches import Batch
from nwh.ingest.activations.buffer import Place, refused
from nwh.ingest.activations.summaries.block_moments import BlockMoments
from nwh.ingest.activations.summaries.layer import LayerSummary, NotFiniteError
from nwh.ingest.activations.summaries.loops import IN_TORCH

SENTENCES = 2048
"""Sentences of the buffer, and most of a batch."""
VALUES = 2**24
"""Values that are summarised at a time; the summaries take about 100 bytes for each meanwhile."""


class DeviceBuffer:
    """A buffer [sentences, neurons] over all places, handed to their common summary when full.

    `add` is the callback for `capture`. A context manager, as `ActivationBuffer` is.
    """

    def __init__(
        self,
        widths: Mapping[Place, int],
        k: int,
        sample: Tensor,
        aggregate: Aggregate,
        positions: bool,
        first_id: int,
        device: torch.device,
    ) -> None:
        """Start empty. widths: neurons of each place; the rest as for `LayerSummary` and `ActivationBuffer`."""
        self.places: dict[Place, slice] = {}
        n = 0
        for place, width in widths.items():
            self.places[place] = slice(n, n := n + width)
        self.whole = LayerSummary(n, k, sample, positions, IN_TORCH, device)
        self.aggregate = aggregate
        self.first_id = first_id
        self.filled = 0
        self._batch: Batch | None = None
        self._ordinals: list[Tensor] = []
        self._values = torch.empty((SENTENCES, n), device=device)
        self._positions = torch.empty((SENTENCES, n), dtype=torch.int16, device=device) if positions else None

    def __enter__(self) -> DeviceBuffer:
        return self

    def __exit__(self, *error: object) -> None:
        """End; there is nothing to close."""

    @property
    def summaries(self) -> dict[Place, LayerSummary]:
        """The summaries by place, as they are now: they share the memory of what is filled further."""
        return {place: self.whole.part(neurons) for place, neurons in self.places.items()}

    def go_on(self, restored: Mapping[Place, LayerSummary]) -> None:
        """Go on from what was restored into `summaries` between two blocks."""
        self.whole.blocks = BlockMoments.beside([summary.blocks for summary in restored.values()])

    @contextmanager
    def for_batch(self, batch: Batch) -> Iterator[None]:
        """Run the forward pass of `batch`, of at most `SENTENCES`, inside this block."""
        if self.filled + len(batch.ordinals) > SENTENCES:
            self.flush()
        self._batch = batch
        yield
        self._batch = None
        self._ordinals.append(batch.ordinals)
        self.filled += len(batch.ordinals)

    def add(self, site: str, layer: int, activations: Tensor) -> None:
        """Aggregate token activations [batch, tokens, width] to sentences and keep them."""
        batch, neurons = self._batch, self.places.get((site, layer))
        if batch is None or neurons is None:
            return
        rows = slice(self.filled, self.filled + len(activations))
        tokens = activations if batch.span is None else activations[:, batch.span]
        if batch.span is None:
            tokens = tokens.masked_fill(~batch.counted[:, :, None], -torch.inf)
        highest = self.whole.max_token[neurons]
        torch.maximum(highest, tokens.amax((0, 1)).float(), out=highest)
        if batch.span is not None and self.aggregate is mean:  # without a copy of what is not float32
            torch.mean(tokens, 1, dtype=torch.float32, out=self._values[rows, neurons])
            return
        values, positions = self.aggregate(activations, batch.counted)
        self._values[rows, neurons] = values
        if self._positions is not None and positions is not None:
            self._positions[rows, neurons] = positions

    def flush(self) -> None:
        """Hand what is gathered to the summary."""
        if not self.filled:
            return
        ordinals = torch.cat(self._ordinals)
        width = max(1, VALUES // self.filled)
        for first in range(0, self._values.shape[1], width):
            neurons = slice(first, first + width)
            values, positions = (
                None if rows is None else rows[: self.filled, neurons].T.contiguous()
                for rows in (self._values, self._positions)
            )
            assert values is not None
            try:
                self.whole.part(neurons).update(values, ordinals, positions)
            except NotFiniteError as error:
                raise self._refused(error, first + error.neuron) from error
        self.whole.moments.n += self.filled
        self.filled = 0
        self._ordinals = []

    def end_block(self, block: int) -> None:
        """Hand all that is gathered to the summary: the block of this number ends."""
        self.flush()
        self.whole.end_block(block)

    def _refused(self, error: NotFiniteError, neuron: int) -> Exception:
        place = next(place for place, neurons in self.places.items() if neuron < neurons.stop)
        return refused(error, place, neuron - self.places[place].start, self.first_id)
