"""Hugging Face data sets, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nwh.ingest.text.formats.lines import File, Row
from nwh.warehouse.errors import SourceError, UsageError


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


def hf_columns(file: File) -> dict[str, str]:
    """Return the columns of a data set; UsageError without `datasets`, SourceError where it cannot be opened."""
    stream = _open_hf(file)
    with _hf_errors(file):
        return dict.fromkeys(stream.features or next(iter(stream), {}), "")


def hf_rows(file: File, columns: list[str]) -> Iterator[Row]:
    """Yield rows as they are streamed, class labels as their names."""
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
