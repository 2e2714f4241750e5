"""Models that are trained here: where they go, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nwh.warehouse import Warehouse


def model_folder(warehouse: Warehouse, name: str) -> Path:
    """Return the folder of a model trained here: in the warehouse, or in `nwh-models` beside an object store."""
    base = Path(warehouse.storage.uri) / "models" if warehouse.storage.local else Path("nwh-models")
    return (base / name).absolute()


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write an ordinary model folder (config, safetensors, tokenizer), without the bars of transformers."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
