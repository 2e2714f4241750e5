"""Where each unit of a job stands: the one answer that jobs, `nwh status`, `nwh verify` and pages go by."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nwh.warehouse.jobs import JOBS
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import SHARDS, Storage
from nwh.warehouse.storage.provenance import Provenance, Stale, of_site
from nwh.warehouse.storage.runs import unit_name

RunRecord = tuple[str, str, str, str, int, float, datetime]
"""job, unit, run_id, settings as JSON, rows, seconds, finished_at: of a row of `runs`."""


@dataclass(frozen=True)
class StoredUnit:
    """The last completed run of a job on a unit, and what has become of its rows.

    state: `complete` where they are stored and shown; `stale` where they were made of what is not stored any more and
    are not shown; `removed` where they have given way, or have gone with what they were made of.
    """

    job: str
    unit: str
    run_id: str
    settings: dict[str, Any]
    rows: int
    seconds: float
    finished_at: datetime
    state: str


class Units:
    """What is stored of every unit of every job, as of one moment."""

    def __init__(self, stored: Provenance, runs: Iterable[RunRecord]) -> None:
        """`runs`: the completed ones, the last first."""
        self._runs: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
        for run in runs:
            self._runs[run[:2]].append(run)
        self._stale: dict[tuple[str, str], list[Stale]] = defaultdict(list)
        for each in stored.stale():
            self._stale[each.run.job, each.run.unit].append(each)
        self._owned = stored.owned()

    def all(self) -> list[StoredUnit]:
        """Return the last run of each job on each unit, those that ended first before the others."""
        return sorted((self._judged(runs[0]) for runs in self._runs.values()), key=lambda unit: unit.finished_at)

    def stored(self, job: str, unit: Mapping[str, str], site: str | None = None) -> StoredUnit | None:
        """Return the last run of a job on a unit (of a site, where it stores sites one by one).

        Null where there is none, or where its rows are not what readers are shown: `stale`, `removed`.
        """
        for run in self._runs.get((job, unit_name(unit)), ()):
            if site is None or site in json.loads(run[3]).get("sites", [site]):
                found = self._judged(run, site)
                return found if found.state == "complete" else None
        return None

    def is_current(
        self, job: str, unit: Mapping[str, str], settings: Mapping[str, Any], site: str | None = None
    ) -> bool:
        """Return whether a run with these settings, the hashes of its inputs among them, would repeat what is stored.

        What `sites` the run was over besides makes no difference.
        """
        found = self.stored(job, unit, site)
        if found is None:
            return False
        sites = {} if site is None else {"sites": None}
        return {**found.settings, **sites} == {**json.loads(json.dumps(settings)), **sites}

    def _holds(self, job: str, run_id: str, site: str | None) -> bool:
        """Return whether rows of a run are there. Of a job that has no relation of its own they always are."""
        relations = JOBS[job].writes if job in JOBS else ()
        mine = (place for place in self._owned.get(run_id, ()) if place[0] in relations)
        return not relations or any(of_site(place, site) for place in mine)

    def _judged(self, run: RunRecord, site: str | None = None) -> StoredUnit:
        job, unit, run_id, settings, rows, seconds, finished_at = run
        state = "complete"
        if any(of_site(each.place, site) for each in self._stale.get((job, unit), ())):
            state = "stale"
        elif rows and not self._holds(job, run_id, site):
            state = "removed"
        return StoredUnit(job, unit, run_id, json.loads(settings), rows, seconds, finished_at, state)


@dataclass(frozen=True)
class UnitUnderWay:
    """A unit that a run is working on, or was when it ended early.

    state: `running`, `interrupted`, or `staged`: a shard that waits to be merged, named after its unit. done, total: of
    what the job's bar counts, as of the last partial result; null before the first. obstacle: why a run that comes now
    cannot go on from the partial result, null where it can (see `resume_state.obstacle`).
    """

    state: str
    job: str
    unit: str
    run_id: str | None
    done: int | None
    total: int | None
    seconds: float | None
    obstacle: str | None


def units_under_way(storage: Storage) -> list[UnitUnderWay]:
    """Return the units that runs are working on, then those that runs have left behind with a partial result."""
    staged = {place: resume_state.describe(storage, place) for place in storage.staged_places()}
    running = {holder["place"]: holder["run_id"] for holder in storage.locks.held().values() if "place" in holder}
    found = []
    for place in [*sorted(running, key=lambda place: running[place]), *sorted(staged.keys() - running.keys())]:
        saved = staged.get(place) or {}
        job, _, unit = place.removeprefix(f"{SHARDS}/").partition("/")
        state, run_id = "staged" if saved.get("complete") else "interrupted", saved.get("run_id")
        if place in running:
            state, run_id = "running", running[place]
        done, total, seconds = saved.get("done"), saved.get("total"), saved.get("seconds")
        obstacle = resume_state.obstacle(staged[place]) if place in staged else None
        found.append(UnitUnderWay(state, job, unit, run_id, done, total, seconds, obstacle))
    return found
