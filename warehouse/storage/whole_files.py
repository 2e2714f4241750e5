"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.fs as pafs


def write_whole(fs: pafs.FileSystem, path: str, write: Callable[[Any], None], *, local: bool, part: str) -> None:
    """Write a file: `write` gets a binary stream. After an error there is none; OSError where there is no room.

    part: end of the name that it has in a local file system until it is complete; what is killed leaves it behind. In
    an object store a file has no other name: it is there when all of it is.
    """
    first = f"{path}{part}" if local else path
    try:
        if local:
            fs.create_dir(os.path.dirname(path), recursive=True)
        with fs.open_output_stream(first) as stream:
            write(stream)
    except BaseException:
        with suppress(OSError):  # it may be the disk that fails
            fs.delete_file(first)
        raise
    if local:
        _sync(first)  # a rename can reach the disk before what is renamed
        fs.move(first, path)


def _sync(path: str) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
