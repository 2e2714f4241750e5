"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyarrow.fs import FileSystem


def write_whole(fs: FileSystem, path: str, write: Callable[[Any], None], *, local: bool, part: str) -> None:
    """Write a file: `write` gets a binary stream. OSError where there is no room, or the store refuses.

    After an error the file is as it was; where `write` itself has failed in an object store, there is none.

    part: end of the name that it has in a local file system until it is complete; what is killed leaves it behind. In
    an object store a file has no other name: it is there when all of it is.
    """
    if not local:
        _put(fs, path, write)
        return
    first = f"{path}{part}"
    try:
        fs.create_dir(os.path.dirname(path), recursive=True)
        with fs.open_output_stream(first) as stream:
            write(stream)
    except BaseException:
        with suppress(OSError):  # it may be the disk that fails
            fs.delete_file(first)
        raise
    _sync(first)  # a rename can reach the disk before what is renamed
    fs.move(first, path)


def _put(fs: FileSystem, path: str, write: Callable[[Any], None]) -> None:
    """Write a file of an object store. What the store refuses leaves the file that was there before."""
    stream = fs.open_output_stream(path)
    try:
        write(stream)
    except BaseException:
        with suppress(OSError):
            stream.close()
            fs.delete_file(path)  # it has taken what came until then
        raise
    stream.close()


def _sync(path: str) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
