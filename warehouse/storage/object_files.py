"""DuckDB's way to the files of an object store, in few round trips, without an extension of DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from threading import local
from typing import Any

from fsspec import AbstractFileSystem
from pyarrow.fs import FileSystem

from nwh.warehouse.storage.refusals import refusal

_BLOCK = 1 << 21  # bytes asked for at once: the rows beside those of a neuron are those of the next
_BLOCKS, _TAILS = 32, 1024  # kept
_AT_ONCE = 64  # requests under way
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # of a later second than the last ten DuckDB takes nobody's word


class ObjectFiles(AbstractFileSystem):  # type: ignore[misc]
    """Read-only files for `connection.register_filesystem`, which are never written again.

    DuckDB reads the end of a Parquet file first, of one file after the other, then rows. A round trip takes longer than
    some bytes more: `ahead` asks for many ends at once, with a file's end comes that of the text it is about, and what
    lies beside the rows is kept for a while. What it has read DuckDB keeps, as long as it has memory.
    """

    cachable = False

    def __init__(self, root: str, files: FileSystem, texts: Iterable[str] = ()) -> None:
        """Serve paths that begin with `root`, what follows being the client's; texts: those of `sentences`."""
        super().__init__()
        self.protocol, self._root = root.split("://")[0], root
        self._files = files
        self._text = {path.rsplit("/", 2)[-2]: path for path in texts}  # by its folder, corpus=…
        self._threads = ThreadPoolExecutor(_AT_ONCE)
        self._tail, self._block = lru_cache(_TAILS)(self._ask_tail), lru_cache(_BLOCKS)(self._ask)

    def ahead(self, paths: Iterable[str]) -> None:
        """Begin to fetch the ends of files."""
        for path in paths:
            self._tail(path)

    def open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        """Open a file for reading; StorageError where the store refuses."""
        return _File(self, path, self._size(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file; StorageError where the store refuses, or has none."""
        return {"name": path, "size": self._size(path), "type": "file"}

    def modified(self, path: str) -> datetime:
        """Return when a file changed."""
        return _LONG_AGO

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path: a snapshot names every file, and all of them are there."""
        return [re.sub(r"\[([*?\[])\]", r"\1", path)]  # as `pattern_of` wrote it

    def read(self, path: str, size: int, start: int, end: int) -> bytes:
        """Return some bytes of a file of this size; StorageError where the store refuses."""
        tail, last = size - _tail_of(size), max(0, size // _BLOCK - 1)  # less than a block at the end is of the last
        with _answering(path):
            if start >= tail:
                self.ahead(self._text[folder] for folder in path.split("/") if folder in self._text)
                return self._tail(path).result()[start - tail : end - tail]
            blocks = range(min(start // _BLOCK, last), min((end - 1) // _BLOCK, last) + 1)
            edges = [(i * _BLOCK, size if i == last else (i + 1) * _BLOCK) for i in blocks]
            parts = [(low, self._block(path, low, high)) for low, high in edges]
            return b"".join(part.result()[max(0, start - low) : end - low] for low, part in parts)

    def _size(self, path: str) -> int:
        with _answering(path):
            return int(self._open(path).size())

    def _open(self, path: str) -> Any:
        return self._files.open_input_file(path.removeprefix(self._root))

    def _ask_tail(self, path: str) -> Future[bytes]:
        def read(file: Any) -> bytes:
            tail = _tail_of(size := file.size())
            return bytes(file.read_at(tail, size - tail))

        return self._begin(path, read)

    def _ask(self, path: str, start: int, end: int) -> Future[bytes]:
        return self._begin(path, lambda file: bytes(file.read_at(end - start, start)))

    def _begin(self, path: str, read: Callable[[Any], bytes]) -> Future[bytes]:
        """Begin to read of a file."""

        def forget(done: Future[bytes]) -> None:
            if done.exception():  # who asks later asks the store
                self._tail.cache_clear()
                self._block.cache_clear()

        future = self._threads.submit(lambda: read(self._open(path)))
        future.add_done_callback(forget)
        return future


def _tail_of(size: int) -> int:
    """Return how many bytes at the end of a file hold its metadata, of all but few files; no more than a block."""
    return min(size, (1 << 16) + size // 512, _BLOCK)


class _File:
    """A file with a position for each thread.

    DuckDB's threads share a handle; each seeks and then reads, which are two calls: with one position for all, one
    thread gets the bytes that another looked for.
    """

    def __init__(self, files: ObjectFiles, path: str, size: int) -> None:
        self._files, self._path, self._size, self._of_thread = files, path, size, local()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._of_thread.at = offset + (0, self.tell(), self._size)[whence]
        return int(self._of_thread.at)

    def tell(self) -> int:
        return getattr(self._of_thread, "at", 0)

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        end = self._size if size < 0 else min(self._size, start + size)
        data = self._files.read(self._path, self._size, start, end)
        self._of_thread.at = start + len(data)
        return data

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _answering(path: str) -> Iterator[None]:
    """Say in one line, which DuckDB passes on with a traceback, what the store refuses within the block."""
    try:
        yield
    except OSError as error:
        raise refusal(f"{path} cannot be read", error) from error
