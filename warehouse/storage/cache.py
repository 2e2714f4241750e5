"""Files that jobs keep to save work, which can be made anew: `cache/<kind>/<hash of the text>/<file>`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType

from nwh.warehouse.storage.refusals import refusal
from nwh.warehouse.storage.whole_files import write_whole

TOKENS = "tokens"


class Cache:
    """The cache of one warehouse: `root` in a file system, which is a `local` one or an object store's."""

    def __init__(self, fs: FileSystem, root: str, local: bool) -> None:
        """Use `Storage.cache`; nothing is read or made yet."""
        self._fs = fs
        self._root = root
        self._local = local

    def holds(self, name: str) -> bool:
        """Return whether a file is kept."""
        return bool(self._fs.get_file_info(f"{self._root}/{name}").type == FileType.File)

    def keep(self, name: str, write: Callable[[Any], None]) -> None:
        """Keep a file whole or not at all: `write` gets a binary stream. StorageError where there is no room."""
        path = f"{self._root}/{name}"
        part = f".{secrets.token_hex(4)}.part"  # of this process alone: another may make the same
        try:
            write_whole(self._fs, path, write, local=self._local, part=part)
        except OSError as error:
            raise refusal(f"cannot write {path}", error) from error

    def open(self, name: str) -> Any:
        """Open a file for reading: mapped into memory where it is local."""
        path = f"{self._root}/{name}"
        return pa.memory_map(path) if self._local else self._fs.open_input_file(path)

    def vacuum(self, texts: Collection[str]) -> list[str]:
        """Remove what is of other texts than those of these hashes, or half written; return the names."""
        removed = []
        for info in self._fs.get_file_info(FileSelector(self._root, recursive=True, allow_not_found=True)):
            name = info.path.removeprefix(f"{self._root}/")
            if info.is_file and (name.endswith(".part") or name.split("/")[1] not in texts):
                self._fs.delete_file(info.path)
                removed.append(name)
        return removed
