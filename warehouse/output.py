"""Rows out: as a table, csv, json, jsonl or parquet, to a terminal, a pipe or a file."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, cast
from warnings import catch_warnings

from nwh.warehouse.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_BATCH = 10_000
_MOST_IN_MEMORY = 64 * 2**20
_LEAST = 10
"""A column of text is not cut to fewer characters."""


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"


def format_of(path: Path) -> Format:
    """Return the format that a file's name asks for; UsageError for another suffix."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in (Format.csv, Format.json, Format.jsonl, Format.parquet):
        raise UsageError(f"{path}: name a file that ends in .csv, .json, .jsonl or .parquet")
    return Format(suffix)


def write(result: duckdb.DuckDBPyConnection, format: Format, stream: BinaryIO) -> int:
    """Write the rows of an executed query; return how many.

    Rows stream as csv and jsonl; json and parquet, of which a part cannot be read, are written when all rows are there.
    """
    if format is Format.parquet:
        with catch_warnings(action="ignore"):  # of a copy that a cursor makes
            reader: Any = result.to_arrow_reader(_BATCH)
        schema = reader.schema
        for i, name in enumerate(columns(result)):
            schema = schema.set(i, schema.field(i).with_name(name))
        batches = (batch.rename_columns(schema.names) for batch in reader)
        return _whole(stream, lambda whole: _write_parquet(schema, batches, whole))
    return write_rows(columns(result), rows(result), format, stream)


def write_rows(names: list[str], found: Iterable[tuple[Any, ...]], format: Format, stream: BinaryIO) -> int:
    """Write rows that are at hand; return how many."""
    if format is Format.parquet:
        import pyarrow as pa

        lines = list(found)
        batch = pa.table([_array([line[i] for line in lines]) for i in range(len(names))], names)
        return _whole(stream, lambda whole: _write_parquet(batch.schema, batch.to_batches(), whole))
    if format is Format.json:
        return _whole(stream, lambda whole: _write_text(names, found, format, whole))
    return _write_text(names, found, format, stream)


@contextmanager
def replaced(file: Path) -> Iterator[BinaryIO]:
    """Write a file whole or not at all, under another name until all is written; UsageError where it cannot be."""
    part = file.with_name(file.name + ".part")
    try:
        with open(part, "wb") as stream:
            yield stream
        part.replace(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _whole(stream: BinaryIO, write: Callable[[BinaryIO], int]) -> int:
    """Write to a stream what an error does not leave half written."""
    with SpooledTemporaryFile(_MOST_IN_MEMORY) as whole:
        n = write(cast("BinaryIO", whole))
        whole.seek(0)
        shutil.copyfileobj(whole, stream)
    return n


def _array(values: list[Any]) -> pa.Array:
    """Return values as a column of the type they have, as text where Arrow finds no one type for them."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])


def _write_text(names: list[str], found: Iterable[tuple[Any, ...]], format: Format, stream: BinaryIO) -> int:
    from io import TextIOWrapper

    text = TextIOWrapper(stream, "utf-8", newline="", write_through=True)
    try:
        return _WRITERS[format](names, found, text)
    finally:
        text.detach()


def columns(result: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the column names of an executed query, each once: `a`, `a_1` where it names two columns `a`."""
    found: list[str] = []
    names = [column[0] for column in result.description or ()]
    for name in names:
        copies = (f"{name}_{i}" if i else name for i in range(2 * len(names)))
        found.append(next(copy for copy in copies if copy not in found and (copy == name or copy not in names)))
    return found


def rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of an executed query."""
    while batch := result.fetchmany(_BATCH):
        yield from batch


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: numbers as numbers (NaN and infinity as null), times as ISO text."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
    return str(value)


def _write_json(names: list[str], found: Iterable[tuple[Any, ...]], stream: TextIO) -> int:
    n = 0
    for n, row in enumerate(found, 1):
        stream.write(("[\n" if n == 1 else ",\n") + _object(names, row))
    stream.write("\n]\n" if n else "[]\n")
    return n


def _write_jsonl(names: list[str], found: Iterable[tuple[Any, ...]], stream: TextIO) -> int:
    n = 0
    for row in found:
        stream.write(_object(names, row) + "\n")
        n += 1
    return n


def _object(names: list[str], row: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(names, map(plain, row), strict=True)), ensure_ascii=False, allow_nan=False)


def _write_csv(names: list[str], found: Iterable[tuple[Any, ...]], stream: TextIO) -> int:
    import csv
    from types import SimpleNamespace

    # before Python 3.13 a carriage return is quoted only where it ends lines, and readers would take it for an end
    lines = SimpleNamespace(write=lambda line: stream.write(line.removesuffix("\r\n") + "\n"))
    writer, n = csv.writer(lines, lineterminator="\r\n"), 0
    writer.writerow(names)
    for row in found:
        n += 1
        writer.writerow([repr(value) if isinstance(value, float) else _cell(value) for value in row])
    return n


def _write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], stream: BinaryIO) -> int:
    import pyarrow.parquet as pq

    n = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            n += batch.num_rows
    return n


def _write_table(names: list[str], found: Iterable[tuple[Any, ...]], stream: TextIO) -> int:
    """Write rows as a table: numbers to the right, floats at 6 digits, on a terminal one line each that fits it."""
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = list(found)
    if names == ["explain_key", "explain_value"]:  # a drawing
        stream.writelines(f"{drawing}\n" for _, drawing in lines)
        return len(lines)
    numeric = [any(isinstance(line[i], (int, float, Decimal)) for line in lines[:100]) for i in range(len(names))]
    cells = [[" ".join(_cell(value).splitlines()) for value in line] for line in lines]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    between = 3 * len(names)
    room = Console(file=stream).width - between if stream.isatty() else sum(widths)
    fitting = _fitting(widths, numeric, room)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, number, width in zip(names, numeric, fitting, strict=True):
        justify: Literal["right", "left"] = "right" if number else "left"
        shown.add_column(name, justify=justify, width=width, no_wrap=True, overflow="ellipsis")
    for line in cells:
        shown.add_row(*map(Text, line))
    Console(file=stream, width=sum(fitting) + between, highlight=False, soft_wrap=True).print(shown)
    if fitting != widths:
        print("cells are cut to fit the terminal: --format csv, json, jsonl have them whole", file=sys.stderr)
    return len(lines)


def _fitting(widths: list[int], numeric: list[bool], room: int) -> list[int]:
    """Return columns' widths that fit the room, the widest text cut first, numbers and short text never."""
    cap = max(widths)
    while True:
        fitting = [width if number else min(width, cap) for width, number in zip(widths, numeric, strict=True)]
        if sum(fitting) <= room or cap <= _LEAST:
            return fitting
        cap -= 1


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case float():
            return f"{value:.6g}" if math.isfinite(value) else str(value)
        case list() | dict() | tuple():
            return json.dumps(plain(value), ensure_ascii=False)
        case bytes():
            return value.hex()
    return str(value)


_WRITERS = {
    Format.json: _write_json,
    Format.jsonl: _write_jsonl,
    Format.csv: _write_csv,
    Format.table: _write_table,
}
