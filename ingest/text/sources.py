"""Sources to rows: what a corpus source holds, column by column, read in a stream.

A source is a file, a folder, a glob pattern or the name of a Hugging Face data set. Nothing here holds more
than one batch of rows, one line or one text file; a line, a CSV field or a text file may be `LONGEST` bytes.
Files whose names end in .gz, .bz2, .zst or .xz are unpacked while they are read.
"""

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from nwh.ingest.text.formats.hugging_face import hf_columns, hf_rows
from nwh.ingest.text.formats.lines import File, Row, line_columns, line_rows, text_columns, text_rows, uncompressed
from nwh.ingest.text.formats.tables import (
    csv_columns,
    csv_rows,
    jsonl_columns,
    jsonl_rows,
    parquet_columns,
    parquet_rows,
)
from nwh.warehouse.errors import UsageError

_TABLES = ("parquet", "csv", "jsonl")  # a folder of nothing else is read as one table


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
    return uncompressed(path).name.lower().endswith(suffixes)


def _guess(path: Path) -> str | None:
    return next((name for name, format in FORMATS.items() if _has(path, format.suffixes)), None)


FORMATS = {
    "parquet": Format((".parquet", ".pq"), parquet_columns, parquet_rows),
    "csv": Format((".csv", ".tsv"), csv_columns, csv_rows),
    "jsonl": Format((".jsonl", ".ndjson"), jsonl_columns, jsonl_rows),
    "txt": Format((".txt",), text_columns, text_rows),
    "lines": Format((".txt",), line_columns, line_rows),
    "dir": Format((), text_columns, text_rows),
    "hf": Format((), hf_columns, hf_rows),
}
