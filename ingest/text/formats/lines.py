"""Text: whole files, lines; compressed files are read as they are."""

from __future__ import annotations

import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from nwh.warehouse.errors import SourceError

LONGEST = 64 * 2**20
"""Bytes of a line, a CSV field or a text file, at most."""

COMPRESSED = (".gz", ".bz2", ".zst", ".xz")
"""Last endings of names of compressed files."""

Row = tuple[str, dict[str, Any]]
"""("row 7" or "line 7", from 0 and 1; column -> value)"""


class File(NamedTuple):
    """One file of a source; `name` is its path below the source, with `/`."""

    path: Path
    name: str


def uncompressed(path: Path) -> Path:
    """Return a path without the ending that says how the file is compressed.

    >>> uncompressed(Path("wsj.mrg.gz"))
    PosixPath('wsj.mrg')
    """
    return path.with_suffix("") if path.suffix.lower() in COMPRESSED else path


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO | lzma.LZMAFile | io.BufferedReader]:
    """Open a file to read its bytes, those of a compressed one decompressed.

    SourceError, naming the file, where it cannot be opened or read to its end.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".xz":  # the one of these that Arrow does not know
            with lzma.open(path) as stream:
                yield stream
        elif ending in COMPRESSED:
            codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}[ending]
            with path.open("rb") as raw, pa.CompressedInputStream(raw, codec) as plain:
                yield io.BufferedReader(plain, 2**20)
        else:
            with path.open("rb", buffering=2**20) as stream:
                yield stream
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = f" (cut short, or not {ending}?)" if ending in COMPRESSED and not getattr(error, "errno", None) else ""
        raise SourceError(f"cannot read {path}{hint}: {reason}") from error


def lines(file: File) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its end) of a UTF-8 file, without a byte-order mark."""
    offset = number = 0
    with opened(file.path) as stream:
        while raw := stream.readline(LONGEST + 1):
            number += 1
            if len(raw) > LONGEST:
                raise SourceError(f"{file.path}, line {number}: longer than {LONGEST >> 20} MiB; break it into lines")
            line = _decode(raw, file, offset, f"line {number}, ")
            offset += len(raw)
            yield number, line


def _decode(raw: bytes, file: File, offset: int, where: str = "") -> str:
    try:
        return raw.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        # `error.object` has lost the byte-order mark, if there was one.
        at = offset + error.start + len(raw) - len(error.object)
        raise SourceError(
            f"{file.path}, {where}byte offset {at}: byte 0x{raw[at - offset]:02x} is not UTF-8; "
            "convert the file (iconv -t utf-8)"
        ) from error


def text_columns(file: File) -> dict[str, str]:
    """Return the columns of a text file that is one document; SourceError where it cannot be read or is too long."""
    with opened(file.path) as stream:
        stream.read(1)
    _check_length(file, file.path.stat().st_size)
    return {"doc_id": "string", "folder": "string", "text": "string"}


def text_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield the one row of such a file."""
    with opened(file.path) as stream:
        raw = stream.read(LONGEST + 1)
    _check_length(file, len(raw))
    folder = file.name.rpartition("/")[0] or None
    yield "whole file", {"doc_id": file.name, "folder": folder, "text": _decode(raw, file, 0)}


def _check_length(file: File, size: int) -> None:
    if size > LONGEST:
        raise SourceError(
            f"{file.path} is longer than {LONGEST >> 20} MiB, too long for one document: "
            "use --format lines for one document per line"
        )


def line_columns(file: File) -> dict[str, str]:
    """Return the column of a text file with a document per line; SourceError where its first line cannot be read."""
    next(lines(file), None)
    return {"text": "string"}


def line_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield a row per line."""
    for number, line in lines(file):
        yield f"line {number}", {"text": line.rstrip("\r\n")}
