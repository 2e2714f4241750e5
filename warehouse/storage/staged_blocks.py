"""Blocks of a long job's rows in the staging area: saved one by one, found again by the run that resumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zlib import crc32

import pyarrow as pa
from pyarrow import ipc

from nwh.warehouse.errors import StorageError, first_line
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import BLOCKS
from nwh.warehouse.storage.runs import Run


class StagedBlocks:
    """Named Arrow tables at a run's place of the staging area, until the run ends.

    Which blocks there are, and what each counts, is what the folder lists: `blocks/3f/NAME=SIZE`.
    """

    def __init__(self, run: Run, total: int, settings: dict[str, Any] | None = None) -> None:
        """Find the blocks of an interrupted run where `resume_state.resume` lets this one go on from them.

        total: what `done` counts up to, as `nwh status` shows it. settings: those that decide the blocks; all of the
        run's unless given.
        """
        self._storage = run.storage
        self._run = run
        self._settings = settings = dict(run.settings if settings is None else settings)
        self._total = total
        self._places: dict[str, tuple[str, str]] = {}
        """of each block: where it is staged, and the name of its file there"""
        self.done = 0
        """how much of the total the staged blocks hold"""
        for place in run.merged:
            self._find(place)
        found = resume_state.resume(run, settings)
        if found is None:
            return
        self._find(run.place)
        run.note(f"resumed run {found['run_id']} at {self.done:,} of {total:,}")

    def _find(self, place: str) -> None:
        """Count the blocks of a place of the staging area."""
        for path in self._storage.staged_files(place, BLOCKS):
            name = path.rpartition("/")[2].rpartition("=")[0]
            try:
                self._storage.open_staged(place, path).close()
            except StorageError:
                self._run.note(f"block {name} of the partial result is cut: it is computed again")
                continue
            self._count(place, path)

    def _count(self, place: str, path: str) -> None:
        name, _, size = path.rpartition("/")[2].rpartition("=")
        if name not in self._places:
            self.done += int(size)
        self._places[name] = place, path

    def left(self, names: Sequence[str]) -> list[str]:
        """Return which of all blocks of a job, in order, the run has to make: of a shard those of its share."""
        shard = self._run.shard
        own = names if shard is None else [names[i] for i in shard.of(len(names))]
        return [name for name in own if name not in self._places]

    def has(self, name: str) -> bool:
        """Return whether a block is staged."""
        return name in self._places

    def save(self, name: str, batches: pa.Table | Iterable[pa.RecordBatch], size: int) -> None:
        """Stage a block, a table or record batches of one schema (at least one), that counts `size`."""
        if isinstance(batches, pa.Table):
            batches = batches.to_batches() or [pa.RecordBatch.from_pylist([], batches.schema)]
        source = iter(batches)
        first = next(source)

        def write(stream: Any) -> None:
            options = ipc.IpcWriteOptions(compression="zstd")
            with ipc.new_stream(stream, first.schema, options=options) as writer:
                writer.write_batch(first)
                for batch in source:
                    writer.write_batch(batch)

        # the description first: without it blocks are nobody's, while blocks that it does not count are found
        resume_state.save(self._run, self._settings, self.done + size, self._total)
        path = _path(name, size)
        self._storage.stage(self._run.place, path, write)
        self._count(self._run.place, path)

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a block, one at a time; StorageError where it is damaged."""
        place, path = self._places[name]
        with self._storage.open_staged(place, path) as stream:
            try:
                with ipc.open_stream(stream) as reader:
                    yield from reader
            except (pa.ArrowInvalid, OSError) as error:
                raise StorageError(
                    f"staging/{place}/{path} of {self._storage} is damaged ({first_line(error)}): "
                    "`nwh vacuum --staging` drops it"
                ) from error

    def load(self, name: str) -> pa.Table:
        """Return a block as one table."""
        return pa.Table.from_batches(list(self.batches(name)))


def _path(name: str, size: int) -> str:
    """Return where a block is staged: 256 folders share them."""
    return f"{BLOCKS}/{crc32(name.encode()) % 256:02x}/{name}={size}"
