"""DuckDB's way to the files of an object store: pyarrow's client, which needs no extension of DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import local
from typing import Any

from fsspec import AbstractFileSystem
from pyarrow.fs import FileSystem

from nwh.warehouse.storage.refusals import refusal

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # of a later second than the last ten DuckDB takes nobody's word


class ObjectFiles(AbstractFileSystem):  # type: ignore[misc]
    """Read-only files for `connection.register_filesystem`, which are never written again.

    So each is opened once, which is a request, and DuckDB need not ask whether what it keeps of it is right.
    """

    cachable = False

    def __init__(self, protocol: str, files: FileSystem) -> None:
        """Serve what a client of pyarrow reaches; protocol: `s3`, `gs` …."""
        super().__init__()
        self.protocol = protocol
        self._files = files
        self._opened: dict[str, Any] = {}

    def open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        """Open a file for reading; StorageError where the store refuses."""
        return _File(self._open(path), path)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file; StorageError where the store refuses, or has none."""
        return {"name": path, "size": self._open(path).size(), "type": "file"}

    def _open(self, path: str) -> Any:
        if path not in self._opened:
            with _answering(path):
                self._opened[path] = self._files.open_input_file(_plain(path))
        return self._opened[path]

    def modified(self, path: str) -> datetime:
        """Return when a file changed."""
        return _LONG_AGO

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path: a snapshot names every file, and all of them are there."""
        return [re.sub(r"\[([*?\[])\]", r"\1", _plain(path))]  # as `pattern_of` wrote it


class _File:
    """A file with a position for each thread.

    DuckDB's threads share a handle; each seeks and then reads, which are two calls: with one position for all, one
    thread gets the bytes that another looked for.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path, self._size, self._of_thread = file, path, file.size(), local()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._of_thread.at = offset + (0, self.tell(), self._size)[whence]
        return int(self._of_thread.at)

    def tell(self) -> int:
        return getattr(self._of_thread, "at", 0)

    def read(self, size: int = -1) -> bytes:
        with _answering(self._path):
            data: bytes = self._file.read_at(size if size >= 0 else self._size - self.tell(), self.tell())
        self._of_thread.at = self.tell() + len(data)
        return data

    def close(self) -> None:
        """Leave the file open for the next who reads it."""


@contextmanager
def _answering(path: str) -> Iterator[None]:
    """Say in one line, which DuckDB passes on with a traceback, what the store refuses within the block."""
    try:
        yield
    except OSError as error:
        raise refusal(f"{path} cannot be read", error) from error


def _plain(path: str) -> str:
    return path.split("://", 1)[-1]
