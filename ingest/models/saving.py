"""Models that are trained here: where they go, and how they are written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nwh.ingest.models.loading import quiet
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError


def model_folder(warehouse: Warehouse, name: str) -> Path:
    """Return the folder of a model trained here: in the warehouse, or in `nwh-models` beside an object store."""
    base = Path(warehouse.storage.uri) / "models" if warehouse.storage.local else Path("nwh-models")
    return (base / name).absolute()


@contextmanager
def appearing(folder: Path, instead: str = "another folder") -> Iterator[Path]:
    """Yield a folder that becomes `folder` at the end, complete; StorageError, naming what to use `instead`."""
    unfinished = folder.parent / f".{folder.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{folder.parent} cannot be written ({error.strerror}): name {instead}") from error
    try:
        yield unfinished
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write an ordinary model folder (config, safetensors, tokenizer), without the bars of transformers."""
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
