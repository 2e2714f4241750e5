"""Statements that users keep as files, for the SQL page to list: it reads them and writes none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nwh.warehouse import Warehouse


@dataclass(frozen=True)
class SavedQuery:
    """A file: its name without `.sql`, what its first line says where that is a comment, and the whole text."""

    name: str
    about: str
    sql: str


def folder(warehouse: Warehouse) -> Path | None:
    """Return `$NWH_QUERIES`, else the folder `queries` in a warehouse's own; null where that is on an object store."""
    if named := os.environ.get("NWH_QUERIES"):
        return Path(named)
    return Path(warehouse.storage.uri, "queries") if warehouse.storage.local else None


def saved(folder: Path) -> list[SavedQuery]:
    """Return what the `*.sql` files of a folder hold, by name; files that cannot be read are left out."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        first = text.lstrip().partition("\n")[0]
        about = first.removeprefix("--").strip() if first.startswith("--") else ""
        found.append(SavedQuery(path.stem, about, text.strip()))
    return found
