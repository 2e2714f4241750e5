"""A run of a job: locks its units, collects what it writes, makes all of it visible at once."""

from __future__ import annotations

import json
import platform
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS, RUNS
from nwh.warehouse.storage import Storage
from nwh.warehouse.tables import DataFile

if TYPE_CHECKING:
    from nwh.warehouse.writer import RelationWriter

Unit = dict[str, str]
"""What is replaced as a whole: partition columns and their values."""


def unit_name(unit: Mapping[str, str]) -> str:
    """Return a unit as text: `model=…/checkpoint=…`."""
    return "/".join(f"{column}={value}" for column, value in unit.items())


class Run:
    """One run under way: `write` its relations, `note` what the user should know, `stage` partial results.

    Nothing is visible to readers before the run ends well; see `Warehouse.run`.
    """

    def __init__(
        self, storage: Storage, job: str, unit: Unit, settings: Mapping[str, Any], progress: Progress = SILENT
    ) -> None:
        """Start the clock."""
        self.started_at = datetime.now(UTC)
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.job = job
        self.unit = unit
        self.settings = dict(settings)
        self.versions: dict[str, Any] = {}
        self.notes: list[str] = []
        self.seconds_before = 0.0
        self.model_seconds: float | None = None
        self.storage = storage
        self._progress = progress
        self._clock = time.monotonic()
        self._files: dict[str, list[DataFile]] = {}
        self._replaced: dict[str, list[Unit]] = {}

    @property
    def place(self) -> str:
        """Folder of the staging area for this run's unit: the same for the run that resumes it."""
        return f"{self.job}/{unit_name(self.unit)}"

    @property
    def seconds(self) -> float:
        """Wall-clock seconds so far, those of interrupted sessions included."""
        return self.seconds_before + time.monotonic() - self._clock

    @property
    def rows(self) -> int:
        """Rows written so far, of all relations."""
        return sum(file.rows for files in self._files.values() for file in files)

    def note(self, text: str) -> None:
        """Tell the user something, once; stored with the run."""
        if text not in self.notes:
            self.notes.append(text)
            self._progress.note(text)

    @contextmanager
    def writer(self, relation: str, partition: Unit) -> Iterator[RelationWriter]:
        """Stream the rows of one partition of a relation; they replace it when the run ends."""
        from nwh.warehouse.writer import RelationWriter

        name = f"{self.run_id}-{len(self._files.get(relation, []))}.parquet"
        with RelationWriter(self.storage, RELATIONS[relation], partition, name) as writer:
            yield writer
        self._replaced.setdefault(relation, []).append(writer.partition)
        self._files.setdefault(relation, []).extend([writer.file] if writer.file else [])

    def write(self, relation: str, partition: Unit, rows: Any) -> None:
        """Write all rows of one partition of a relation."""
        with self.writer(relation, partition) as writer:
            writer.write(rows)

    def complete(self) -> tuple[dict[str, list[Unit]], dict[str, list[DataFile]]]:
        """Write the row of `runs`; return what the run replaces and with which files."""
        from nwh.warehouse.writer import RelationWriter

        row = {
            "run_id": self.run_id,
            "job": self.job,
            "unit": unit_name(self.unit),
            "status": "complete",
            "settings": json.dumps(self.settings),
            "started_at": self.started_at.replace(tzinfo=None),
            "finished_at": datetime.now(UTC).replace(tzinfo=None),
            "seconds": self.seconds,
            "model_seconds": self.model_seconds,
            "rows": self.rows,
            "notes": self.notes,
            "versions": json.dumps({**_versions(), **self.versions}),
        }
        with RelationWriter(self.storage, RUNS, {}, f"{self.run_id}.parquet") as writer:
            writer.write({name: [value] for name, value in row.items()})
        assert writer.file is not None
        return self._replaced, {**self._files, RUNS.name: [writer.file]}

    def discard(self) -> None:
        """Remove the files of a run that failed."""
        for relation, files in self._files.items():
            for file in files:
                self.storage.delete_data_file(relation, file.path)


@cache
def _versions() -> dict[str, str | None]:
    """Return what produced the rows: nwh, Python, system, and the git revision of a source checkout."""
    source = Path(__file__).parents[2]
    revision = None
    if (source / ".git").exists():
        done = subprocess.run(
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=False,
        )
        revision = done.stdout.strip() or None
    return {
        "nwh": version("nwh"),
        "git": revision,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
