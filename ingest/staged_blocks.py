"""Blocks of a long job's rows in the staging area: saved one by one, found again by the run that resumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from nwh.warehouse import partial
from nwh.warehouse.runs import Run
from nwh.warehouse.storage import Storage


class StagedBlocks:
    """Named Arrow tables at a run's place of the staging area, kept while the run's settings stay the same."""

    def __init__(self, storage: Storage, run: Run, settings: dict[str, Any], total: int) -> None:
        """Find the blocks of an interrupted run, or discard them where it had other settings; a note says which.

        `total` is what `done` counts up to, as `nwh status` shows it.
        """
        self._storage = storage
        self._run = run
        self._settings = settings
        self._total = total
        self._blocks: dict[str, int] = {}
        found = partial.describe(storage, run.place)
        if found is None:
            return
        if found["settings"] != settings:
            run.note("a partial result of an earlier run with other settings was discarded")
            storage.discard_staged(run.place)
            return
        self._blocks = found["blocks"]
        run.seconds_before, run.model_seconds = found["seconds"], found.get("model_seconds")
        run.note(f"resumed run {found['run_id']} at {self.done:,} of {total:,}")

    @property
    def done(self) -> int:
        """How much of the total the staged blocks hold."""
        return sum(self._blocks.values())

    def has(self, name: str) -> bool:
        """Return whether a block is staged."""
        return name in self._blocks

    def save(self, name: str, batches: pa.Table | Iterable[pa.RecordBatch], size: int) -> None:
        """Stage a block, a table or record batches of one schema (at least one), that counts `size`."""
        source = iter(batches.to_batches() if isinstance(batches, pa.Table) else batches)
        first = next(source)

        def write(stream: Any) -> None:
            options = ipc.IpcWriteOptions(compression="zstd")
            with ipc.new_stream(stream, first.schema, options=options) as writer:
                writer.write_batch(first)
                for batch in source:
                    writer.write_batch(batch)

        self._storage.stage(self._run.place, name, write)
        self._blocks[name] = size
        description = {
            "run_id": self._run.run_id,
            "done": self.done,
            "total": self._total,
            "seconds": self._run.seconds,
            "model_seconds": self._run.model_seconds,
            "settings": self._settings,
            "blocks": self._blocks,
        }
        partial.save(self._storage, self._run.place, description, ())

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a block, one at a time."""
        with self._storage.open_staged(self._run.place, name) as stream, ipc.open_stream(stream) as reader:
            yield from reader

    def load(self, name: str) -> pa.Table:
        """Return a block as one table."""
        return pa.Table.from_batches(list(self.batches(name)))
