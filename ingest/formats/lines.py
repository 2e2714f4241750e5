"""Text: whole files, lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nwh.warehouse.errors import SourceError

LONGEST = 64 * 2**20
"""Bytes of a line, a CSV field or a text file, at most."""

Row = tuple[str, dict[str, Any]]
"""("row 7" or "line 7", from 0 and 1; column -> value)"""


class File(NamedTuple):
    """One file of a source; `name` is its path below the source, with `/`."""

    path: Path
    name: str


def lines(file: File) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its end) of a UTF-8 file, without a byte-order mark."""
    offset = 0
    try:
        with file.path.open("rb", buffering=2**20) as stream:
            number = 0
            while raw := stream.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    raise SourceError(
                        f"{file.path}, line {number}: longer than {LONGEST >> 20} MiB; break it into lines"
                    )
                line = _decode(raw, file, offset, f"line {number}, ")
                offset += len(raw)
                yield number, line
    except OSError as error:
        raise SourceError(f"cannot read {file.path}: {error.strerror or error}") from error


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
    try:
        size = file.path.stat().st_size
        file.path.open("rb").close()
    except OSError as error:
        raise SourceError(f"cannot read {file.path}: {error.strerror or error}") from error
    if size > LONGEST:
        raise SourceError(
            f"{file.path} is {size >> 20} MiB, too long for one document ({LONGEST >> 20} MiB): "
            "use --format lines for one document per line"
        )
    return {"doc_id": "string", "folder": "string", "text": "string"}


def text_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield the one row of such a file."""
    try:
        raw = file.path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {file.path}: {error.strerror or error}") from error
    folder = file.name.rpartition("/")[0] or None
    yield "whole file", {"doc_id": file.name, "folder": folder, "text": _decode(raw, file, 0)}


def line_columns(file: File) -> dict[str, str]:
    """Return the column of a text file with a document per line; SourceError where its first line cannot be read."""
    next(lines(file), None)
    return {"text": "string"}


def line_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield a row per line."""
    for number, line in lines(file):
        yield f"line {number}", {"text": line.rstrip("\r\n")}
