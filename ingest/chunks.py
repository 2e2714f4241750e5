"""Between the hooks and the summaries: sentences' activations gathered until there are enough to summarise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from ingest.aggregates import Aggregate
from ingest.batches import Batch
from ingest.summaries.layer import LayerSummary, NotFiniteError
from warehouse.errors import ModelError

SIZE = 1024  # sentences; a layer's buffer of [neurons, sentences] float32 then fits a core's cache


class Chunk:
    """Buffers [neurons, sentences] for every site and layer, handed to their summaries when full.

    `take` is the callback for `capture`: it aggregates tokens while they are in cache and keeps the result.
    """

    def __init__(self, summaries: Mapping[tuple[str, int], LayerSummary], aggregate: Aggregate, first_id: int) -> None:
        """Fill `summaries`; `first_id` is the sentence_id of ordinal 0, for error messages."""
        self.summaries = summaries
        self.aggregate = aggregate
        self.first_id = first_id
        self.filled = 0
        self._batch: Batch | None = None
        self._ordinals: list[Tensor] = []
        self._values: dict[tuple[str, int], Tensor] = {}
        self._positions: dict[tuple[str, int], Tensor] = {}

    @contextmanager
    def taking(self, batch: Batch) -> Iterator[None]:
        """Run the forward pass of `batch` inside this block."""
        if self.filled and self.filled + len(batch.ordinals) > SIZE:
            self.flush()
        self._batch = batch
        yield
        self._batch = None
        self._ordinals.append(batch.ordinals)
        self.filled += len(batch.ordinals)

    def take(self, site: str, layer: int, activations: Tensor) -> None:
        """Aggregate token activations [batch, tokens, width] to sentences and keep them."""
        if self._batch is None or (site, layer) not in self.summaries:
            return
        values, positions = self.aggregate(activations, self._batch.counted)
        self._put(self._values, (site, layer), values)
        if positions is not None:
            self._put(self._positions, (site, layer), positions)

    def flush(self) -> None:
        """Hand what is gathered to the summaries."""
        if not self.filled:
            return
        ordinals = torch.cat(self._ordinals)
        part = slice(0, self.filled)
        for (site, layer), summary in self.summaries.items():
            positions = self._positions.get((site, layer))
            try:
                summary.update(
                    self._values[site, layer][:, part],
                    ordinals,
                    None if positions is None else positions[:, part],
                )
            except NotFiniteError as error:
                raise ModelError(
                    f"{site}/{layer}/{error.neuron} is {error.value} for sentence "
                    f"{self.first_id + error.ordinal}: NaN and infinity are refused, nothing of this run is "
                    "stored. Try --dtype float32"
                ) from error
        self.filled = 0
        self._ordinals = []

    def _put(self, buffers: dict[tuple[str, int], Tensor], key: tuple[str, int], rows: Tensor) -> None:
        """Store rows [batch, width] as columns of a buffer [width, sentences], grown for an outsized batch."""
        size = max(SIZE, self.filled + len(rows))
        if key not in buffers or buffers[key].shape[1] < size:
            buffers[key] = torch.empty((rows.shape[1], size), dtype=rows.dtype, device=rows.device)
        buffers[key][:, self.filled : self.filled + len(rows)] = rows.T
