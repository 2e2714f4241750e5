"""Sources to rows: what a corpus source holds, column by column, read in a stream.

A source is a file, a folder, a glob pattern or the name of a Hugging Face data set. Nothing here holds more
than one batch of rows, one line or one text file; a line, a CSV field or a text file may be `LONGEST` bytes.
"""

import csv
import glob
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import SourceError, UsageError

LONGEST = 64 * 2**20
_BATCH_BYTES = 4 * 2**20
_PEEK_CHARACTERS = 2**20
_TABLES = ("parquet", "csv", "jsonl")  # a folder of nothing else is read as one table

Row = tuple[str, dict[str, Any]]  # ("row 7" or "line 7", from 0 and 1; column -> value)


class File(NamedTuple):
    """One file of a source; `name` is its path below the source, with `/`."""

    path: Path
    name: str


@dataclass(frozen=True)
class Format:
    """How one format is read. `columns` gives column -> type ("" where any) after all cheap checks."""

    suffixes: tuple[str, ...]
    columns: Callable[[File], dict[str, str]]
    rows: Callable[[File, list[str]], Iterator[Row]]


def find_files(source: str, format: str | None = None) -> tuple[str, list[File]]:
    """Return the format and the sorted files of a source, guessing the format from suffixes if it is None.

    Raises UsageError where the source does not exist, has no such files, or its format cannot be told.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(f"unknown format {format!r}: use one of {', '.join(FORMATS)}")
    if format == "hf":
        return format, [File(Path(source), source)]
    path = Path(source)
    if path.is_dir():
        found, root = [item for item in path.rglob("*") if item.is_file() and not _hidden(item, path)], path
        if format is None:
            table = next((name for name in _TABLES if {_guess(item) for item in found} == {name}), None)
            format = table or "dir"
        suffixes = FORMATS[format].suffixes
        found = [item for item in found if not suffixes or _has(item, suffixes)]
    elif path.exists():
        found, root = [path], path.parent
    elif glob.has_magic(source):
        found = [item for item in map(Path, glob.glob(source, recursive=True)) if item.is_file()]
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
    else:
        hint = " (for a Hugging Face data set add --format hf)" if format is None else ""
        raise UsageError(f"source {source!r} does not exist: give a file, a folder or a glob pattern{hint}")
    if not found:
        kind = f" of format {format}" if format else ""
        raise UsageError(f"source {source!r} has no files{kind}: check the path, or give --format")
    if format is None:
        guesses = {_guess(item) for item in found}
        if len(guesses) > 1 or None in guesses:
            raise UsageError(
                f"cannot tell the format of {source!r} from its file names: give --format {'|'.join(FORMATS)}"
            )
        format = guesses.pop()
    assert format is not None
    files = (File(item, item.relative_to(root).as_posix()) for item in found)
    return format, sorted(files, key=lambda file: file.name)


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _has(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _guess(path: Path) -> str | None:
    return next((name for name, format in FORMATS.items() if _has(path, format.suffixes)), None)


# --- text: whole files, lines -----------------------------------------------------------------------------


def _lines(file: File) -> Iterator[tuple[int, str]]:
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


def _text_columns(file: File) -> dict[str, str]:
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


def _text_rows(file: File, columns: list[str]) -> Iterator[Row]:
    try:
        raw = file.path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {file.path}: {error.strerror or error}") from error
    folder = file.name.rpartition("/")[0] or None
    yield "whole file", {"doc_id": file.name, "folder": folder, "text": _decode(raw, file, 0)}


def _line_columns(file: File) -> dict[str, str]:
    next(_lines(file), None)
    return {"text": "string"}


def _line_rows(file: File, columns: list[str]) -> Iterator[Row]:
    for number, line in _lines(file):
        yield f"line {number}", {"text": line.rstrip("\r\n")}


# --- jsonl, csv -------------------------------------------------------------------------------------------


def _objects(file: File) -> Iterator[tuple[int, dict[str, Any], int]]:
    for number, line in _lines(file):
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


def _jsonl_columns(file: File) -> dict[str, str]:
    # Objects may leave out keys that are null, so a column exists if the first megabyte has it anywhere.
    columns: dict[str, str] = {}
    characters = 0
    for _, value, length in _objects(file):
        columns |= dict.fromkeys(value, "")
        characters += length
        if characters > _PEEK_CHARACTERS:
            break
    return columns


def _jsonl_rows(file: File, columns: list[str]) -> Iterator[Row]:
    for number, value, _ in _objects(file):
        yield f"line {number}", value


def _csv_records(file: File) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(LONGEST)  # of the whole process; the default of 128 KiB is shorter than a book
    delimiter = "\t" if _has(file.path, (".tsv",)) else ","
    reader = csv.reader((line for _, line in _lines(file)), delimiter=delimiter, strict=True)
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


def _csv_header(file: File) -> list[str]:
    _, header = next(_csv_records(file), (0, []))
    if not header:
        raise SourceError(f"{file.path} is empty: a CSV file starts with a line of column names")
    _check_unique(file, header)
    return header


def _check_unique(file: File, names: list[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{file.path} repeats column {', '.join(map(repr, repeated))}: rename one")


def _csv_columns(file: File) -> dict[str, str]:
    return dict.fromkeys(_csv_header(file), "string")


def _csv_rows(file: File, columns: list[str]) -> Iterator[Row]:
    records = _csv_records(file)
    _, header = next(records)
    for number, record in records:
        if len(record) != len(header):
            raise SourceError(f"{file.path}, line {number}: {len(record)} fields where the header has {len(header)}")
        yield f"line {number}", dict(zip(header, record, strict=True))


# --- parquet ----------------------------------------------------------------------------------------------


@contextmanager
def _parquet(file: File) -> Iterator[pq.ParquetFile]:
    try:
        # Without pre-buffering, pages are read as rows are asked for: memory does not grow with a row group.
        with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=2**20) as parquet:
            yield parquet
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {file.path} as parquet (cut short, or damaged?): {error}") from error


def _parquet_columns(file: File) -> dict[str, str]:
    with _parquet(file) as parquet:
        schema = parquet.schema_arrow
    _check_unique(file, schema.names)
    values = (field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema)
    return dict(zip(schema.names, map(str, values), strict=True))


def _parquet_rows(file: File, columns: list[str]) -> Iterator[Row]:
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


# --- Hugging Face -----------------------------------------------------------------------------------------


def _open_hf(file: File) -> Any:
    """Open `NAME`, `NAME:SPLIT` or `NAME:CONFIG:SPLIT` (split `train` unless given) as a stream."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise UsageError("Hugging Face data sets need `datasets`: pip install 'nwh[hf]'") from error
    name, *rest = file.name.split(":")
    if len(rest) > 2:
        raise UsageError(f"data set {file.name!r}: give NAME, NAME:SPLIT or NAME:CONFIG:SPLIT")
    config, split = (rest[0] if len(rest) == 2 else None), (rest[-1] if rest else "train")
    with _hf_errors(file):
        return load_dataset(name, config, split=split, streaming=True)


@contextmanager
def _hf_errors(file: File) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # `datasets` documents no error tree: loaders raise whatever they meet
        raise SourceError(f"cannot read the data set {file.name!r}: {error}") from error


def _hf_columns(file: File) -> dict[str, str]:
    stream = _open_hf(file)
    with _hf_errors(file):
        return dict.fromkeys(stream.features or next(iter(stream), {}), "")


def _hf_rows(file: File, columns: list[str]) -> Iterator[Row]:
    stream = _open_hf(file).select_columns(columns)
    features = stream.features or {}
    labels = {name: features[name].int2str for name in columns if hasattr(features.get(name), "int2str")}
    rows, number = iter(stream), 0
    while True:
        with _hf_errors(file):
            row = next(rows, None)
        if row is None:
            return
        for name, label in labels.items():
            # A class label of -1 stands for "not labelled".
            row[name] = label(row[name]) if row[name] is not None and row[name] >= 0 else None
        yield f"row {number}", row
        number += 1


FORMATS = {
    "parquet": Format((".parquet", ".pq"), _parquet_columns, _parquet_rows),
    "csv": Format((".csv", ".tsv"), _csv_columns, _csv_rows),
    "jsonl": Format((".jsonl", ".ndjson"), _jsonl_columns, _jsonl_rows),
    "txt": Format((".txt",), _text_columns, _text_rows),
    "lines": Format((".txt",), _line_columns, _line_rows),
    "dir": Format((), _text_columns, _text_rows),
    "hf": Format((), _hf_columns, _hf_rows),
}
