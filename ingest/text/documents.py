"""Documents: the rows of a source as (doc_id, text, metadata), in a stream, checked on the way."""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import numpy as np

from nwh.ingest.text.formats.lines import Row
from nwh.ingest.text.sources import FORMATS, find_files
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.names import split_list

_TEXT_TYPES = ("", "string", "large_string", "string_view")
_ID_COLUMNS = ("doc_id", "id")


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its id, unique in its corpus, and its metadata as (key, value) pairs without repeats."""

    doc_id: str
    text: str
    metadata: tuple[tuple[str, str], ...] = ()


def parse_metadata_option(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the (column, key) pairs of a `--metadata` option: `column` or `key=column`, comma-separated.

    >>> parse_metadata_option(["domain,topic=category"])
    (('domain', 'domain'), ('category', 'topic'))
    """
    pairs = []
    for item in split_list(values):
        key, equals, column = item.partition("=")
        key, column = key.strip(), column.strip() if equals else key.strip()
        if not key or not column:
            raise UsageError(f"metadata {item!r}: give a column, or key=column")
        pairs.append((column, key))
    return tuple(dict.fromkeys(pairs))


def read_documents(
    source: str,
    *,
    format: str | None = None,
    text: str = "text",
    doc_id: str | None = None,
    metadata: Iterable[tuple[str, str]] = (),
) -> "Documents":
    """Open a source and return its documents as an iterator; see `Documents`.

    `source` is a file, a folder, a glob pattern or (format `hf`) `NAME[:SPLIT]` or `NAME:CONFIG:SPLIT`.
    `format` is one of `ingest.text.sources.FORMATS`, guessed from file names where None: `txt` and `dir` make one
    document of each file, `lines` one of each line. `text` and `doc_id` name columns; the id is, where not
    named, the column `doc_id`, else `id`, else the number of the row in the source from 0 (of a text file:
    its path below the source). `metadata` lists (column, key); text files give `folder` unless it is named.

    Before it returns, every file has been opened and its columns checked. Raises UsageError for a source,
    format or column that does not exist, SourceError for a file that cannot be read or a text column that
    holds something else.
    """
    format, files = find_files(source, format)
    columns_of = {file: FORMATS[format].columns(file) for file in files}
    filled = {file: columns for file, columns in columns_of.items() if columns}
    if doc_id is None:
        doc_id = next((name for name in _ID_COLUMNS if all(name in names for names in filled.values())), None)
    pairs = tuple(metadata) or ((("folder", "folder"),) if format in ("dir", "txt") else ())
    needed = list(dict.fromkeys([text, *([doc_id] if doc_id else []), *(column for column, _ in pairs)]))
    for file, columns in filled.items():
        if missing := [name for name in needed if name not in columns]:
            raise UsageError(
                f"{file.path} has no column {', '.join(map(repr, missing))}: "
                f"its columns are {', '.join(columns)} (choose with --text, --doc-id, --metadata)"
            )
        if columns[text] not in _TEXT_TYPES:
            raise SourceError(f"{file.path}: column {text!r} is {columns[text]}, not text; use --text")
    rows = ((f"{file.path}, {where}", row) for file in files for where, row in FORMATS[format].rows(file, needed))
    found = dict.fromkeys(name for columns in filled.values() for name in columns)
    return Documents(source, rows, text, doc_id, pairs, tuple(name for name in found if name not in needed))


@dataclass
class Documents(Iterator[Document]):
    """The documents of a source, in order, once; rows whose text is null or blank are skipped.

    `n_documents` and `n_skipped` count what has passed so far; `left_out` are the columns that are not kept. Raises
    SourceError, naming file and line or row, where the content cannot be used, for a repeated doc_id, and
    at the end if there was no document at all. Memory: one batch of rows and 8 bytes per document.
    """

    source: str
    rows: Iterator[Row]
    text: str
    doc_id: str | None
    metadata: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    n_documents: int = 0
    n_skipped: int = 0

    def __post_init__(self) -> None:
        self._stream = self._read()

    def __next__(self) -> Document:
        return next(self._stream)

    def _read(self) -> Iterator[Document]:
        seen = _SeenIds()
        for where, row in self.rows:
            try:
                document = self._document(row)
                if document is None:
                    self.n_skipped += 1
                    continue
                for part in (document.doc_id, document.text, *(value for _, value in document.metadata)):
                    part.encode()
                if self.doc_id:
                    seen.add(document.doc_id)
            except UnicodeEncodeError as error:
                raise SourceError(f"{where}: half a surrogate pair, not text") from error
            except _UnusableError as error:
                raise SourceError(f"{where}: {error}") from error
            self.n_documents += 1
            yield document
        try:
            seen.merge()
        except _UnusableError as error:
            raise SourceError(f"source {self.source!r}: {error}") from error
        if not self.n_documents:
            raise SourceError(
                f"source {self.source!r} has no document with text ({self.n_skipped} rows without): "
                f"is {self.text!r} the right column?"
            )

    def _document(self, row: dict[str, Any]) -> Document | None:
        text = row.get(self.text)
        if text is None:
            return None
        if not isinstance(text, str):
            raise _UnusableError(f"column {self.text!r} holds {type(text).__name__}, not text; use --text")
        if not text.strip():
            return None
        if self.doc_id:
            doc_id = _as_text(row.get(self.doc_id), self.doc_id)
            if not doc_id:
                raise _UnusableError(f"column {self.doc_id!r} is empty, but a document needs an id")
        else:
            doc_id = str(self.n_documents + self.n_skipped)
        pairs = []
        for column, key in self.metadata:
            value = row.get(column)
            for item in value if isinstance(value, list) else [value]:
                if as_text := _as_text(item, column):
                    pairs.append((key, as_text))
        return Document(doc_id, text, tuple(dict.fromkeys(pairs)))


class _UnusableError(Exception):
    """What is wrong with a row; where it is gets added by who knows the file."""


def _as_text(value: object, column: str) -> str | None:
    """Return a scalar as text: 1945 -> "1945", 0.5 -> "0.5", True -> "true"; null and NaN -> None."""
    match value:
        case str():
            return value
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float() if math.isnan(value):
            return None
        case int() | float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
    raise _UnusableError(f"column {column!r} holds {type(value).__name__}, not a scalar or a list of scalars")


class _SeenIds:
    """Finds repeated ids in 8 bytes each: sorted 64-bit hashes, and a short list of the newest ids.

    Two different ids among a hundred million share a hash with a chance of 0.03 %.
    """

    _NEWEST = 2**16

    def __init__(self) -> None:
        self._newest: dict[int, str] = {}
        self._hashes = np.empty(0, np.uint64)

    def add(self, doc_id: str) -> None:
        value = int.from_bytes(blake2b(doc_id.encode(), digest_size=8).digest(), "little")
        if value in self._newest:
            raise _UnusableError(_repeated(doc_id))
        self._newest[value] = doc_id
        if len(self._newest) >= max(self._NEWEST, len(self._hashes) // 64):
            self.merge()

    def merge(self) -> None:
        newest = np.frombuffer(array("Q", self._newest), np.uint64)
        at = np.minimum(np.searchsorted(self._hashes, newest), len(self._hashes) - 1)
        if len(self._hashes) and len(repeated := newest[self._hashes[at] == newest]):
            raise _UnusableError(_repeated(self._newest[int(repeated[0])]))
        self._hashes = np.sort(np.concatenate([self._hashes, newest]))
        self._newest.clear()


def _repeated(doc_id: str) -> str:
    return f"document id {doc_id!r} occurs twice; choose another column with --doc-id"
