"""All file access: one folder or object-store URI with data files, a staging area and `nwh.duckdb`.

Layout: `<relation>/` Delta tables, `staging/<job>/<unit>/` partial results, `cache/`, `locks/`, `nwh.duckdb`.
Nothing outside this module, `cache` and `locks` opens, lists or removes a file of the warehouse; `tables` keeps the
Delta logs.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from nwh.warehouse.errors import StorageError, UsageError
from nwh.warehouse.schema import Relation
from nwh.warehouse.storage.cache import Cache
from nwh.warehouse.storage.locks import Locks
from nwh.warehouse.storage.refusals import refusal, through_duckdb
from nwh.warehouse.storage.whole_files import write_whole

BLOCKS = "blocks"
"""Folder of a staging place that holds files in folders of its own."""
SHARDS = "shards"
"""Folder of the staging area for shares of a unit's work: see `staged_shards`."""
_BUFFER = 1 << 20
_OF_RUN = ("run_id", "job", "unit", "settings", "seq", "manifest")
_AT_ONCE = 16  # files read, of 25 connections that a client has
_LENGTH = 8  # bytes at the end of a staged file that say how many come before


_MISREAD = re.compile(r"[?\\\x00-\x1f]|%[0-9A-Fa-f]{2}")
"""What a path cannot hold: DuckDB splits it at ?, Delta takes \\ for / and %20 for a blank."""


class Storage:
    """The files of one warehouse.

    A warehouse on an object store has no locks (two runs of one unit may both work) and keeps its staging area there.
    """

    def __init__(self, uri: str | os.PathLike[str] | None = None) -> None:
        """Name a warehouse by folder or URI, else `$NWH_WAREHOUSE`, else `./nwh-data`; nothing is read or made yet."""
        text = os.fspath(uri or os.environ.get("NWH_WAREHOUSE") or "nwh-data").removeprefix("file://")
        self.local = "://" not in text
        self.uri = str(Path(text).absolute()) if self.local else text.rstrip("/")
        self._runs: dict[str, pa.Table] = {}
        if self.local and (odd := _MISREAD.search(self.uri)):
            raise UsageError(
                f"a warehouse cannot lie at {self.uri!r}: Delta or DuckDB would read {odd[0]!r} in its path as "
                "something else; rename that folder, or name another place with --warehouse"
            )

    def __str__(self) -> str:
        return self.uri

    # -- data files -----------------------------------------------------------------------------------------

    def new_data_file(self, relation: Relation, partition: Mapping[str, str], name: str) -> tuple[str, Any]:
        """Open a new data file for writing; return its path inside the relation's folder, and the stream."""
        folder = "/".join(f"{column}={partition[column]}" for column in relation.partition)
        path = f"{folder}/{name}" if folder else name
        full = f"{self._root}/{relation.name}/{path}"
        fs = self._fs
        if self.local:
            fs.create_dir(os.path.dirname(full), recursive=True)
        return path, fs.open_output_stream(full)

    def delete_data_file(self, relation: str, path: str) -> None:
        """Remove a data file that no table knows."""
        self._fs.delete_file(f"{self._root}/{relation}/{path}")

    def open_uri(self, uri: str) -> Any:
        """Open a file of a snapshot for reading."""
        return self._fs.open_input_file(uri if self.local else uri.split("://", 1)[1])

    def read(self, uris: Iterable[str], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield what small files of a snapshot hold, in order, many fetched at once: columns, those that a file has."""

        def read_one(uri: str) -> pa.Table:
            with self.open_uri(uri) as stream:  # as a whole: in an object store every part is a request
                return pq.ParquetFile(pa.BufferReader(stream.read_buffer())).read(columns)

        if self.local:
            yield from map(read_one, uris)
            return
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(read_one, uris)

    def read_runs(self, uris: Sequence[str]) -> list[pa.Table]:
        """Return what files of `runs` say of each run, its manifest too; each is read once."""
        new = [uri for uri in uris if uri not in self._runs]
        self._runs.update(zip(new, self.read(new, _OF_RUN), strict=True))
        return [self._runs[uri] for uri in uris]

    def register(
        self,
        connection: duckdb.DuckDBPyConnection,
        snapshot: Mapping[str, Sequence[str]] = {},
        sizes: Mapping[str, int] = {},
    ) -> None:
        """Let a DuckDB connection read this warehouse's files, where they are in an object store.

        snapshot: of which it is going to be asked. DuckDB looks at the first file of each relation that a statement
        names, one after the other: they are asked for now, side by side, while nobody waits for them. sizes: see
        `Tables.known_sizes`.
        """
        if not self.local:
            from deltalake.fs import DeltaStorageHandler  # a folder does without these
            from pyarrow.fs import PyFileSystem

            from nwh.warehouse.storage.object_files import ObjectFiles

            protocol, path = self.uri.split("://")
            bucket = f"{protocol}://{path.split('/')[0]}/"
            known = {uri.removeprefix(bucket): size for uri, size in sizes.items()}
            client = PyFileSystem(DeltaStorageHandler(bucket, known_sizes=known))  # pyarrow's own asks for each size
            files = ObjectFiles(bucket, client, snapshot.get("sentences", ()))
            connection.register_filesystem(files)
            files.ahead(uris[0] for uris in snapshot.values() if uris)

    def data_files(self, relation: str) -> Iterator[tuple[str, float]]:
        """Yield path and time of change (seconds since 1970) of every data file in a relation's folder."""
        root = f"{self._root}/{relation}"
        for info in self._fs.get_file_info(FileSelector(root, recursive=True, allow_not_found=True)):
            path = info.path.removeprefix(root + "/")
            if path.endswith(".parquet") and not path.startswith("_delta_log/"):
                yield path, info.mtime.timestamp()

    def log_entries(self, relation: str, *versions: int) -> list[bool]:
        """Return for each version of a relation's Delta log whether its entry is there."""
        paths = [f"{self._root}/{relation}/_delta_log/{version:020}.json" for version in versions]
        return [info.type == FileType.File for info in self._fs.get_file_info(paths)]

    @property
    def cache(self) -> Cache:
        """What jobs keep to save work."""
        return Cache(self._fs, f"{self._root}/cache", self.local)

    @property
    def locks(self) -> Locks:
        """Who works on what."""
        return Locks(Path(self.uri, "locks") if self.local else None)

    # -- staging --------------------------------------------------------------------------------------------

    def stage(self, place: str, name: str, write: Callable[[Any], None]) -> None:
        """Write a file of the staging area whole or not at all: `write` gets a binary stream.

        It ends with its length, so that one that was cut all the same is known; `name` may be `folder/name`.
        StorageError where there is no room.
        """

        def with_length(stream: Any) -> None:
            write(stream)
            stream.write(stream.tell().to_bytes(_LENGTH, "little"))

        try:
            path = f"{self._root}/staging/{place}/{name}"
            # another machine may stage the same shard, where locks do not reach it
            part = f".{secrets.token_hex(4)}.part" if place.startswith(f"{SHARDS}/") else ".part"
            write_whole(self._fs, path, with_length, local=self.local, part=part)
        except OSError as error:
            raise refusal(f"cannot write staging/{place} in {self}", error) from error

    def is_staged(self, place: str, name: str) -> bool:
        """Return whether a staged file is there."""
        path = f"{self._root}/staging/{place}/{name}"
        return bool(self._fs.get_file_info(path).type == FileType.File)

    def open_staged(self, place: str, name: str) -> Any:
        """Open a staged file for reading from its beginning on; StorageError where it was cut."""
        stream = self._fs.open_input_file(f"{self._root}/staging/{place}/{name}")
        content = max(0, stream.size() - _LENGTH)
        stream.seek(content)
        if stream.read() != content.to_bytes(_LENGTH, "little"):
            stream.close()
            raise StorageError(f"staging/{place}/{name} of {self} is cut: `nwh vacuum --staging` drops it")
        stream.seek(0)
        # in an object store every read is a request, and a file has many small parts
        return stream if self.local else pa.BufferedInputStream(stream, _BUFFER)

    def staged_files(self, place: str, folder: str) -> Iterator[str]:
        """Yield the names of the files, `folder/…`, that are staged in a folder of a place and below it."""
        root = f"{self._root}/staging/{place}"
        for info in self._fs.get_file_info(FileSelector(f"{root}/{folder}", recursive=True, allow_not_found=True)):
            if info.is_file and not info.path.endswith(".part"):
                yield info.path.removeprefix(root + "/")

    def discard_staged(self, place: str) -> None:
        """Remove a staging folder with all that is in it."""
        path = f"{self._root}/staging/{place}"
        if self._fs.get_file_info(path).type == FileType.Directory:
            self._fs.delete_dir(path)

    def staged_places(self) -> list[str]:
        """Return every staging folder that holds a file."""
        root = f"{self._root}/staging"
        infos = self._fs.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
        folders = {info.path.removeprefix(root + "/").rpartition("/")[0] for info in infos if info.is_file}
        places = {folder.partition(f"/{BLOCKS}/")[0] for folder in folders}
        return sorted(place for place in places if not place.startswith(".spill"))  # which is DuckDB's: see memory.py

    @property
    def _root(self) -> str:
        return self.uri if self.local else self.uri.split("://", 1)[1]

    @cached_property
    def _fs(self) -> FileSystem:
        try:
            # a small file is then written by one request, not by three
            at_once = "?allow_delayed_open=true" if self.uri.startswith("s3://") else ""
            return LocalFileSystem() if self.local else FileSystem.from_uri(self.uri + at_once)[0]
        except (OSError, ValueError) as error:
            raise UsageError(f"a warehouse cannot lie at {self.uri}: {error}") from error

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn what an object store or its client says within the block into a StorageError that names a way out."""
        try:
            yield
        except OSError as error:
            if self.local:
                raise
            raise refusal(f"{self} does not answer as it should", error) from error
        except Exception as error:
            if (refused := through_duckdb(error)) is None or isinstance(error, StorageError):
                raise
            raise refused from error

    # -- the catalog file -----------------------------------------------------------------------------------

    @property
    def catalog(self) -> str:
        """The URI of `nwh.duckdb`."""
        return f"{self.uri}/nwh.duckdb"

    def publish_catalog(self, build: Callable[[str], None]) -> None:
        """Make `nwh.duckdb` anew: `build` fills a temporary file, which is then put in place by rename."""
        with tempfile.TemporaryDirectory(dir=self.uri if self.local else None, prefix=".catalog-") as folder:
            path = f"{folder}/nwh.duckdb"
            build(path)
            if self.local:
                os.replace(path, self.catalog)
            else:
                with open(path, "rb") as source, self._fs.open_output_stream(f"{self._root}/nwh.duckdb") as target:
                    shutil.copyfileobj(source, target)
