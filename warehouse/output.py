"""Rows out: as a table, csv, json, jsonl or parquet, to a terminal, a pipe or a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from nwh.warehouse.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from rich.table import Table

_BATCH = 10_000


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
    """Write the rows of an executed query; return how many. Rows stream, except into a table."""
    if format is Format.parquet:
        reader: Any = result.to_arrow_reader(_BATCH)
        return _write_parquet(reader.schema, reader, stream)
    return write_rows(columns(result), rows(result), format, stream)


def write_rows(names: list[str], found: Iterable[tuple[Any, ...]], format: Format, stream: BinaryIO) -> int:
    """Write rows that are at hand; return how many."""
    if format is Format.parquet:
        import pyarrow as pa

        batch = pa.table({name: list(column) for name, column in zip(names, zip(*found, strict=True), strict=True)})
        return _write_parquet(batch.schema, batch.to_batches(), stream)
    from io import TextIOWrapper

    text = TextIOWrapper(stream, "utf-8", newline="", write_through=True)
    try:
        return _WRITERS[format](names, found, text)
    finally:
        text.detach()


def columns(result: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the column names of an executed query."""
    return [column[0] for column in result.description or ()]


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
    stream.write("[")
    for row in found:
        stream.write((",\n" if n else "\n") + _object(names, row))
        n += 1
    stream.write("\n]\n" if n else "]\n")
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

    writer, n = csv.writer(stream, lineterminator="\n"), 0
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
    from rich.console import Console

    lines = list(found)
    terminal = stream.isatty()
    console = Console(file=stream, width=None if terminal else 10_000, highlight=False, soft_wrap=not terminal)
    console.print(table(names, lines))
    return len(lines)


def table(names: list[str], found: list[tuple[Any, ...]]) -> Table:
    """Return rows as a rich table: numbers to the right, floats at 6 digits."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(names):
        numeric = any(isinstance(row[i], (int, float, Decimal)) for row in found[:100])
        shown.add_column(name, justify="right" if numeric else "left")
    for row in found:
        shown.add_row(*(Text(_cell(value)) for value in row))
    return shown


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
    return str(value)


_WRITERS = {
    Format.json: _write_json,
    Format.jsonl: _write_jsonl,
    Format.csv: _write_csv,
    Format.table: _write_table,
}
