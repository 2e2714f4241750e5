"""Between the hooks and the summaries: sentences' activations gathered until there are enough to summarise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from nwh.ingest.activations.aggregates import Aggregate
from nwh.ingest.activations.batches import Batch
from nwh.ingest.activations.summaries.compiled import transposed
from nwh.ingest.activations.summaries.layer import LayerSummary, NotFiniteError
from nwh.warehouse.errors import ModelError

BUFFER_SENTENCES = 1024  # sentences; a layer's buffer then fits a core's cache

Place = tuple[str, int]
"""Site and layer."""
_Buffers = dict[Place, Tensor]


def refused(error: NotFiniteError, place: Place, neuron: int, first_id: int) -> ModelError:
    """Return what to raise for an activation of a place that is not finite; `first_id` is the id of ordinal 0."""
    site, layer = place
    return ModelError(
        f"{site}/{layer}/{neuron} is {error.value} for sentence {first_id + error.ordinal}: NaN and infinity are "
        "refused, nothing of this run is stored. Try --dtype float32"
    )


class ActivationBuffer:
    """Buffers [sentences, neurons] for every site and layer, handed to their summaries, transposed, when full.

    `add` is the callback for `capture`: it aggregates tokens while they are in cache and keeps the result. A context
    manager: its threads end with it.
    """

    def __init__(self, summaries: Mapping[Place, LayerSummary], aggregate: Aggregate, first_id: int) -> None:
        """Fill `summaries`; `first_id` is the sentence_id of ordinal 0, for error messages."""
        self.summaries = summaries
        self.aggregate = aggregate
        self.first_id = first_id
        self.filled = 0
        self._batch: Batch | None = None
        self._ordinals: list[Tensor] = []
        self._values: _Buffers = {}
        self._positions: _Buffers = {}
        # layers are summarised side by side: the compiled loops hold no lock
        self._threads = ThreadPoolExecutor(torch.get_num_threads())

    def __enter__(self) -> ActivationBuffer:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown()

    def go_on(self, restored: Mapping[Place, LayerSummary]) -> None:
        """Go on from what was restored into `summaries`, which is what is filled."""

    @contextmanager
    def for_batch(self, batch: Batch) -> Iterator[None]:
        """Run the forward pass of `batch` inside this block."""
        if self.filled and self.filled + len(batch.ordinals) > BUFFER_SENTENCES:
            self.flush()
        self._batch = batch
        yield
        self._batch = None
        self._ordinals.append(batch.ordinals)
        self.filled += len(batch.ordinals)

    def add(self, site: str, layer: int, activations: Tensor) -> None:
        """Aggregate token activations [batch, tokens, width] to sentences and keep them."""
        if self._batch is None or (site, layer) not in self.summaries:
            return
        self.summaries[site, layer].see_tokens(activations, self._batch.counted)
        rows = self._rows(self._values, (site, layer), activations, torch.float32)
        values, positions = self.aggregate(activations, self._batch.counted, rows)
        if values.data_ptr() != rows.data_ptr():
            rows.copy_(values)
        if positions is not None:
            self._rows(self._positions, (site, layer), positions, positions.dtype).copy_(positions)

    def flush(self) -> None:
        """Hand what is gathered to the summaries."""
        if not self.filled:
            return
        ordinals = torch.cat(self._ordinals)
        for _ in self._threads.map(lambda place: self._summarise(place, ordinals), self.summaries):
            pass  # errors are raised in the order of places
        self.filled = 0
        self._ordinals = []

    def end_block(self, block: int) -> None:
        """Hand all that is gathered to the summaries: the block of this number ends."""
        self.flush()
        for summary in self.summaries.values():
            summary.end_block(block)

    def _summarise(self, place: Place, ordinals: Tensor) -> None:
        positions = self._positions.get(place)
        try:
            self.summaries[place].update(
                self._transposed(self._values[place]),
                ordinals,
                None if positions is None else self._transposed(positions),
            )
        except NotFiniteError as error:
            raise refused(error, place, error.neuron, self.first_id) from error

    def _rows(self, buffers: _Buffers, place: Place, like: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a buffer's rows [batch, width] for the batch in hand; an outsized one gets a larger buffer."""
        end = self.filled + like.shape[0]
        if place not in buffers or len(buffers[place]) < end:
            buffers[place] = torch.empty((max(BUFFER_SENTENCES, end), like.shape[-1]), dtype=dtype, device=like.device)
        return buffers[place][self.filled : end]

    def _transposed(self, buffer: Tensor) -> Tensor:
        """Return what is gathered as [width, sentences] on the CPU, contiguous: the compiled loops run along it."""
        return torch.from_numpy(transposed(buffer[: self.filled].cpu().numpy()))
