"""Tables: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nwh.ingest.text.formats.lines import COMPRESSED, LONGEST, File, Row, lines, uncompressed
from nwh.warehouse.errors import SourceError

_BATCH_BYTES = 4 * 2**20
_PEEK_CHARACTERS = 2**20


def _objects(file: File) -> Iterator[tuple[int, dict[str, Any], int]]:
    for number, line in lines(file):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{file.path}, line {number}: not JSON ({error})") from error
        if not isinstance(value, dict):
            raise SourceError(f"{file.path}, line {number}: a JSON {_kind(value)}, not an object")
        yield number, value, len(line)


def _kind(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def jsonl_columns(file: File) -> dict[str, str]:
    """Return the columns that the first megabyte of objects has."""
    # Objects may leave out keys that are null, so a column exists if the first megabyte has it anywhere.
    columns: dict[str, str] = {}
    characters = 0
    for _, value, length in _objects(file):
        columns |= dict.fromkeys(value, "")
        characters += length
        if characters > _PEEK_CHARACTERS:
            break
    return columns


def jsonl_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield a row per object."""
    for number, value, _ in _objects(file):
        yield f"line {number}", value


def _csv_records(file: File) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(LONGEST)  # of the whole process; the default of 128 KiB is shorter than a book
    delimiter = "\t" if uncompressed(file.path).suffix.lower() == ".tsv" else ","
    reader = csv.reader((line for _, line in lines(file)), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise SourceError(
                f"{file.path}, line {reader.line_num}: {error}; the record starts on line {start}"
            ) from error
        if record is None:
            return
        if record:
            yield start, record


def _check_unique(file: File, names: list[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{file.path} repeats column {', '.join(map(repr, repeated))}: rename one")


def csv_columns(file: File) -> dict[str, str]:
    """Return the columns that the header names; SourceError where it is missing or names one twice."""
    _, header = next(_csv_records(file), (0, []))
    if not header:
        raise SourceError(f"{file.path} is empty: a CSV file starts with a line of column names")
    _check_unique(file, header)
    return dict.fromkeys(header, "string")


def csv_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield a row per record; SourceError where one has more or fewer fields than the header."""
    records = _csv_records(file)
    _, header = next(records)
    for number, record in records:
        if len(record) != len(header):
            raise SourceError(f"{file.path}, line {number}: {len(record)} fields where the header has {len(header)}")
        yield f"line {number}", dict(zip(header, record, strict=True))


@contextmanager
def _parquet(file: File) -> Iterator[pq.ParquetFile]:
    try:
        # Without pre-buffering, pages are read as rows are asked for: memory does not grow with a row group.
        with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=2**20) as parquet:
            yield parquet
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {file.path} as parquet (cut short, or damaged?): {error}") from error


def parquet_columns(file: File) -> dict[str, str]:
    """Return column -> Arrow type; SourceError for a file that is damaged or names a column twice."""
    if file.path.suffix.lower() in COMPRESSED:
        raise SourceError(f"{file.path}: a Parquet file is compressed inside; unpack this one first")
    with _parquet(file) as parquet:
        schema = parquet.schema_arrow
    _check_unique(file, schema.names)
    values = (field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema)
    return dict(zip(schema.names, map(str, values), strict=True))


def parquet_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield rows, a few megabytes of them in memory at a time."""
    with _parquet(file) as parquet:
        groups = range(parquet.metadata.num_row_groups)
        size = sum(parquet.metadata.row_group(group).total_byte_size for group in groups)
        per_row = size // max(1, parquet.metadata.num_rows)
        rows = max(1, min(1024, _BATCH_BYTES // (per_row + 1)))
        number = 0
        for batch in parquet.iter_batches(batch_size=rows, columns=columns):
            for value in batch.to_pylist():
                yield f"row {number}", value
                number += 1
