"""A run of a job: locks its units, collects what it writes, makes all of it visible at once."""

from __future__ import annotations

import json
import platform
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwh.warehouse.errors import BusyError, UsageError
from nwh.warehouse.jobs import JOBS, exclude
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS, RUNS
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import SHARDS, Storage
from nwh.warehouse.storage.manifests import DataFile, Place
from nwh.warehouse.storage.provenance import RunRow

if TYPE_CHECKING:
    from nwh.warehouse.storage.writer import RelationWriter

Unit = dict[str, str]
"""What is replaced as a whole: partition columns and their values."""


LIBRARIES = (
    "nwh",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "duckdb",
    "pyarrow",
    "nltk",
    "spacy",
)
"""Distributions that compute what is stored: another version of one may give other rows."""

_FOLDER = 255  # bytes of a folder's name, on every common file system


def check_folders(unit: Unit) -> None:
    """Raise UsageError unless a folder can be named by each part of a unit: its rows lie in such folders."""
    for column, value in unit.items():
        most = _FOLDER - len(f"{column}=")
        if (length := len(value.encode())) > most:
            way_out = "name fewer corpora with --corpus" if "+" in value else "choose a shorter name"
            raise UsageError(
                f"the {column} {value[:40]}… is {length} bytes long, and the folder that is named by it can take "
                f"{most}: {way_out}"
            )


def settings_folder(settings: Mapping[str, Any]) -> str:
    """Return the name that settings have in the staging area."""
    return f"settings={sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]}"


def unit_name(unit: Mapping[str, str]) -> str:
    """Return a unit as text: `model=…/checkpoint=…`."""
    return "/".join(f"{column}={value}" for column, value in unit.items())


class Run:
    """One run under way: `write` its relations, `note` what the user should know, `stage` partial results.

    Nothing is visible to readers before the run ends well; see `Warehouse.run`.
    """

    def __init__(
        self,
        storage: Storage,
        job: str,
        unit: Unit,
        settings: Mapping[str, Any],
        locks: Sequence[Unit] = (),
        progress: Progress = SILENT,
        shard: Shard | None = None,
    ) -> None:
        """Start the clock; `locks` as in `Warehouse.run`. shard: the share of the unit's work that this is."""
        self.started_at = datetime.now(UTC)
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.job = job
        self.unit = unit
        self.settings = dict(settings)
        self.versions: dict[str, Any] = {**library_versions()}
        self.notes: list[str] = []
        self.seconds_before = 0.0
        self.model_seconds: float | None = None
        self.upgraded = False  # whether all that is stored is of the present version of the schema with this run
        self.storage = storage
        self.locks = [*locks] or [unit]
        self.shard = shard
        self.merged: Sequence[str] = ()  # places of the shards that it stores
        self._progress = progress
        self._clock = time.monotonic()
        self._files: dict[str, list[DataFile]] = {}
        self._replaced: dict[str, list[Unit]] = {}

    @property
    def place(self) -> str:
        """Folder of the staging area for what this run locks: the same for the run that resumes it, for no other.

        Of finer units than the whole, their values are joined: `…/site=ffn+hidden`.
        """
        finer = {column: [lock[column] for lock in self.locks] for column in self.locks[0] if column not in self.unit}
        joined = {column: "+".join(sorted(set(values))) for column, values in finer.items()}
        whole = f"{self.job}/{unit_name({**self.unit, **joined})}"
        if self.shard is None:
            return whole
        return f"{SHARDS}/{whole}/{settings_folder(self.settings)}/{self.shard.i}-of-{self.shard.n}"

    @property
    def seconds(self) -> float:
        """Wall-clock seconds so far, those of interrupted sessions included."""
        return self.seconds_before + time.monotonic() - self._clock

    @property
    def rows(self) -> int:
        """Rows written so far, of all relations."""
        return sum(file.rows for files in self._files.values() for file in files)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Count the seconds of the block as spent in the model."""
        began = time.monotonic()
        yield
        self.model_seconds = (self.model_seconds or 0.0) + time.monotonic() - began

    def note(self, text: str) -> None:
        """Tell the user something, once; stored with the run."""
        if text not in self.notes:
            self.notes.append(text)
            self._progress.note(text)

    @contextmanager
    def writer(self, relation: str, partition: Unit) -> Iterator[RelationWriter]:
        """Stream the rows of one partition of a relation; they replace it when the run ends.

        UsageError for a relation that a job of the list, `warehouse.jobs`, does not declare.
        """
        from nwh.warehouse.storage.writer import RelationWriter

        job = JOBS.get(self.job)
        if job and relation not in (declared := (*job.writes, *(["checkpoints"] if job.runs_model else []))):
            raise UsageError(
                f"job {self.job} writes {', '.join(declared)}, not {relation}: declare it in warehouse/jobs.py, or "
                "give the run a job name of your own"
            )
        name = f"{self.run_id}-{len(self._files.get(relation, []))}.parquet"
        with RelationWriter(self.storage, RELATIONS[relation], partition, name) as writer:
            yield writer
        self._replaced.setdefault(relation, []).append(writer.partition)
        self._files.setdefault(relation, []).extend([writer.file] if writer.file else [])

    def write(self, relation: str, partition: Unit, rows: Any) -> None:
        """Write all rows of one partition of a relation."""
        with self.writer(relation, partition) as writer:
            writer.write(rows)

    def empty(self, relation: str, partition: Unit) -> None:
        """Leave nothing of a partition of a relation when the run ends."""
        self._replaced.setdefault(relation, []).append(partition)

    @property
    def written(self) -> dict[Place, list[str]]:
        """The places whose rows the run replaces so far, and the URIs of its files there."""
        return {
            place: [f"{self.storage.uri}/{place[0]}/{file.path}" for file in files]
            for place, files in self.places.items()
        }

    @property
    def row(self) -> RunRow:
        """What `runs` will say of it."""
        return RunRow(self.job, unit_name(self.unit), json.loads(json.dumps(self.settings)))

    @property
    def places(self) -> dict[Place, list[DataFile]]:
        """The places whose rows the run replaces so far, and its files there."""
        found: dict[Place, list[DataFile]] = {}
        for relation, units in self._replaced.items():
            for unit in units:
                place = relation, tuple(unit[column] for column in RELATIONS[relation].partition)
                found[place] = [file for file in self._files.get(relation, []) if dict(file.partition) == unit]
        return found

    def complete(self, seq: int, manifest: str, name: str) -> DataFile:
        """Write the run's row of `runs` to a file of this name."""
        from nwh.warehouse.storage.writer import RelationWriter

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
            "seq": seq,
            "manifest": manifest,
            "versions": json.dumps({**_origin(), **self.versions}),
        }
        with RelationWriter(self.storage, RUNS, {}, name) as writer:
            writer.write({name: [value] for name, value in row.items()})
        assert writer.file is not None
        return writer.file

    def discard(self) -> None:
        """Remove the files of a run that failed."""
        for relation, files in self._files.items():
            for file in files:
                with suppress(OSError):  # it may be the store that fails
                    self.storage.delete_data_file(relation, file.path)


def check_others(run: Run) -> None:
    """Raise BusyError where another run makes the text or prompts that this one reads, or the other way round."""
    for name, holder in run.storage.locks.held().items():
        job, _, unit = name.partition("/")
        named = dict(part.partition("=")[::2] for part in unit.split("/"))
        if holder.get("run_id") != run.run_id and job in JOBS and exclude(run.job, run.unit, job, named):
            raise BusyError(
                f"run {holder.get('run_id', '?')} (process {holder.get('pid', '?')}) is working on {name}: {run.job} "
                f"of {unit_name(run.unit)} cannot go on beside it. Wait for it, or stop it; `nwh status` shows it"
            )


@cache
def library_versions() -> dict[str, str | None]:
    """Return the versions of LIBRARIES, null for those that are not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _origin() -> dict[str, str | None]:
    """Return where the rows were made: Python, system, and the git revision of a source checkout."""
    source = Path(__file__).parents[3]
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
        "git": revision,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
