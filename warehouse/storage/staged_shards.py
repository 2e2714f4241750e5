"""Shards of a unit's work in the staging area, until a run merges them: any machine adds to them, in any order.

A shard lies at `shards/JOB/UNIT/settings=HASH/I-of-N` and is complete when its description, `complete`, is there: the
last file that is written. Who computes it again writes the same files, each whole, so nothing has to be locked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nwh.warehouse.errors import UsageError
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import SHARDS, Storage
from nwh.warehouse.storage.runs import Run

if TYPE_CHECKING:
    import numpy as np

    from nwh.warehouse.storage.units import StoredUnit

_COMPLETE = "complete"
_WAY_OUT = "`nwh vacuum --staging` drops all that is staged"


@dataclass(frozen=True)
class StagedShard:
    """Share `i` of `n` of a unit's work that is complete; `about` is its description, `place` where its files are."""

    place: str
    i: int
    n: int
    about: dict[str, Any]


def complete(run: Run, size: int, arrays: Iterable[tuple[str, np.ndarray]] = (), **about: Any) -> None:
    """Note that a shard is complete: `size` of what its bar counts; `arrays` and `about` are for who merges it."""
    resume_state.save(run, run.settings, size, size, arrays, name=_COMPLETE, **about)
    resume_state.save(run, run.settings, size, size, complete=True)  # in place of what a shard under way needed


def arrays_of(storage: Storage, shard: StagedShard) -> dict[str, np.ndarray]:
    """Return the arrays of a shard's description."""
    return dict(resume_state.load(storage, shard.place, _COMPLETE))


def found_shard(run: Run) -> bool:
    """Return whether the shard that a run is to compute is there, of these versions of all libraries."""
    about = resume_state.describe(run.storage, run.place, _COMPLETE)
    return about is not None and resume_state.obstacle(about, run.settings) is None


def staged_shards(storage: Storage, place: str) -> list[StagedShard]:
    """Return the complete shards of what a run without shards would stage at `place`, of any settings, in order."""
    found = []
    for name in storage.staged_files(SHARDS, place):
        folder, _, file = name.rpartition("/")
        if file == _COMPLETE and (about := resume_state.describe(storage, f"{SHARDS}/{folder}", _COMPLETE)):
            i, n = map(int, folder.rpartition("/")[2].split("-of-"))
            found.append(StagedShard(f"{SHARDS}/{folder}", i, n, about))
    return sorted(found, key=lambda shard: (shard.n, shard.i))


def check_settings(storage: Storage, place: str, settings: Mapping[str, Any], aside: Collection[str] = ()) -> None:
    """Raise UsageError where shards of a unit are staged with other settings, those named in `aside` left out."""
    wanted = _without(json.loads(json.dumps(settings)), aside)
    folders = {name.rpartition("/")[0] for name in storage.staged_files(SHARDS, place)}
    for folder in sorted(folders):
        about = resume_state.describe(storage, f"{SHARDS}/{folder}")
        if about is not None and (staged := _without(about["settings"], aside)) != wanted:
            differ = sorted(name for name in {*staged, *wanted} if staged.get(name) != wanted.get(name))
            said = ", ".join(f"{name} {staged.get(name)}, here {wanted.get(name)}" for name in differ[:3])
            raise UsageError(
                f"shard {_share(folder)} of {place} is staged with other settings ({said}): give the same for all "
                f"shards, or begin anew, {_WAY_OUT}"
            )


def whole_set(shards: Sequence[StagedShard]) -> list[StagedShard]:
    """Return shards that are all of a unit's work, empty where there are none; of several N, those of the largest."""
    for n in sorted({shard.n for shard in shards}, reverse=True):
        of_n = [shard for shard in shards if shard.n == n and resume_state.obstacle(shard.about) is None]
        if len(of_n) == n:
            return of_n
    return []


def missing(shards: Sequence[StagedShard], place: str) -> str:
    """Return in words what is not there where `whole_set` finds nothing."""
    if not shards:
        return f"no shard of {place} is staged: `--shard 1/8` stages the first of 8"
    last = shards[-1]
    there = {shard.i for shard in shards if shard.n == last.n}
    others = {shard.i: why for shard in shards if shard.n == last.n and (why := resume_state.obstacle(shard.about))}
    if others:
        i, why = next(iter(others.items()))
        return f"shard {i}/{last.n} of {place} is one {why}: run it again"
    return f"of {last.n} shards of {place} {len(there):,} are staged: run the others, or wait for them"


def needless(storage: Storage, units: Iterable[StoredUnit], texts: Collection[str | None]) -> Iterator[str]:
    """Yield the places of shards that nobody needs: of units stored since with their settings, of texts that are gone.

    texts: hashes of the texts of all corpora.
    """
    stored = list(units)
    for place in storage.staged_places():
        about = resume_state.describe(storage, place) if place.startswith(f"{SHARDS}/") else None
        if about is None:
            continue
        settings, began = about["settings"], about["run_id"][:15]
        if settings.get("text_sha256", None) not in {*texts, None} or any(
            place.startswith(f"{SHARDS}/{unit.job}/{unit.unit}/")
            and unit.settings == settings
            and f"{unit.finished_at:%Y%m%dT%H%M%S}" >= began
            for unit in stored
        ):
            yield place


def _without(settings: Mapping[str, Any], aside: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in aside}


def _share(folder: str) -> str:
    """Return `3/8` of the folder of a shard."""
    return folder.rpartition("/")[2].replace("-of-", "/")
