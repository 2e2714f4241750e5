"""What each stored unit was made of, and whether that is still what is stored: the one rule of staleness.

A run's settings name its inputs: `text_sha256`, `prompts_sha256`, `weights_sha256`, in `sources` the runs whose rows
it read, in `attributions` the settings of those it read. A partition is the work of the run that its file is named
after. It is stale where one of these inputs is not what is stored now, or is stale itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from nwh.warehouse.jobs import JOBS, SOURCES
from nwh.warehouse.schema import RELATIONS, RUNS
from nwh.warehouse.storage.attribution_settings import holds
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.manifests import Place

Snapshot = dict[str, list[str]]
"""Relation -> URIs of the Parquet files that hold its rows, all of one moment."""

_ROOTS = {RUNS.name, "checkpoints", *(relation for job in SOURCES for relation in JOBS[job].writes)}
"""Relations that are made of no other."""
_OF_SITES = {
    relation
    for job in JOBS.values()
    if any("site" in RELATIONS[each].partition for each in job.writes)
    for relation in job.writes
}
"""Relations of jobs that store sites one by one."""


@dataclass(frozen=True)
class RunRow:
    """What `runs` says of a run."""

    job: str
    unit: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Stale:
    """A partition whose inputs are not stored any more. `of` says which: `an earlier text of corpus brown`."""

    place: Place
    run_id: str
    run: RunRow
    of: str

    @property
    def partition(self) -> dict[str, str]:
        """Partition columns and their values."""
        relation, values = self.place
        return dict(zip(RELATIONS[relation].partition, values, strict=True))


class Provenance:
    """Which run stored each partition of a snapshot, and what it was made of. Files of runs are read when needed."""

    def __init__(self, storage: Storage, snapshot: Mapping[str, Sequence[str]], *, nothing_stale: bool = False) -> None:
        """Read nothing but file names. `nothing_stale`: known, so that `stale` need not look."""
        self.storage = storage
        self.snapshot = snapshot
        self._stale: list[Stale] | None = [] if nothing_stale else None
        self.files: dict[Place, list[str]] = defaultdict(list)
        for relation, uris in snapshot.items():
            for uri in uris if relation != RUNS.name else ():
                self.files[_place(relation, uri)].append(uri)
        self._files_of_runs: Sequence[str] = snapshot.get(RUNS.name, ())
        self._runs: dict[str, RunRow | None] = {}
        self.hashes: dict[Place, str | None] = {}

    def with_run(self, run_id: str, run: RunRow, files: Mapping[Place, Sequence[str]]) -> Provenance:
        """Return what would be stored after a run: its files of each place that it replaces."""
        after = Provenance(self.storage, {})
        after._runs = {**self._read_runs(), run_id: run}
        after.files.update({place: list(uris) for place, uris in {**self.files, **files}.items() if uris})
        return after

    def with_source(self, relation: str, names: tuple[str, ...], digest: str) -> Provenance:
        """Return what would be stored if a corpus, data set or checkpoint had this hash."""
        after = self.with_run("", RunRow("", "", {}), {})
        after.hashes = {**self.hashes, (relation, names): digest}
        return after

    def owned(self) -> dict[str, set[Place]]:
        """Return run -> the places whose rows are its work."""
        found: dict[str, set[Place]] = defaultdict(set)
        for place, uris in self.files.items():
            for uri in uris:
                found[run_of(uri)].add(place)
        return found

    def stale(self) -> list[Stale]:
        """Return every stale partition, those that others are made of first."""
        if self._stale is None:
            self._stale = self._find_stale()
        return self._stale

    def _find_stale(self) -> list[Stale]:
        rule = _Rule(self)
        found = []
        for place, uris in self.files.items():
            run_id = run_of(uris[0])
            if (of := rule.stale_of(place)) and (run := self.run(run_id)):
                found.append(Stale(place, run_id, run, of))
        order = list(JOBS)
        return sorted(found, key=lambda stale: (order.index(stale.run.job), stale.run.unit, stale.place))

    def shown(self) -> Snapshot:
        """Return the snapshot without the files of stale partitions: what readers are shown."""
        left = {uri for each in self.stale() for uri in self.files[each.place]}
        return {relation: [uri for uri in uris if uri not in left] for relation, uris in self.snapshot.items()}

    def run(self, run_id: str) -> RunRow | None:
        """Return what is stored of a run; null where there is nothing, or it is of no job that we know."""
        return self._read_runs().get(run_id)

    def _read_runs(self) -> dict[str, RunRow | None]:
        files, self._files_of_runs = self._files_of_runs, ()
        for table in self.storage.read_runs(files):
            for run_id, job, unit, settings in _rows(table, "run_id", "job", "unit", "settings"):
                self._runs.setdefault(run_id, RunRow(job, unit, json.loads(settings)) if job in JOBS else None)
        return self._runs

    def rows(self, uris: Iterable[str], *columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of data files."""
        for table in self.storage.read(uris, columns):
            yield from _rows(table, *columns)


def _rows(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)


class _Rule:
    """The rule, over one provenance; what is found is kept, for a unit can be an input of many."""

    def __init__(self, stored: Provenance) -> None:
        self.stored = stored
        self.owned = stored.owned()
        self.found: dict[Place, str | None] = {}

    def stale_of(self, place: Place) -> str | None:
        """Return which of a place's inputs are not what is stored; null where all are, or none is known."""
        if place[0] in _ROOTS:
            return None
        if place not in self.found:
            run = self.stored.run(run_of(self.stored.files[place][0]))
            self.found[place] = None if run is None else next(self._not_stored(run.settings), None)
        return self.found[place]

    def _not_stored(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """Yield what a run with these settings read and is not stored now."""
        corpus, dataset = settings.get("corpus"), settings.get("dataset")
        if self._differs("corpora", (corpus,), settings.get("text_sha256")):
            yield f"an earlier text of corpus {corpus}"
        if self._differs("prompts", (dataset,), settings.get("prompts_sha256")):
            yield f"earlier prompts of data set {dataset}"
        if self._differs("subjects", (dataset,), settings.get("subjects_sha256")):
            yield f"other subjects of data set {dataset}"
        for suffix in ("", "_before", "_after"):
            checkpoint = settings.get(f"model{suffix}"), settings.get(f"checkpoint{suffix}")
            if self._differs("checkpoints", checkpoint, settings.get(f"weights_sha256{suffix}")):
                yield f"other weights of {checkpoint[0]}@{checkpoint[1]}"
        for run_id in _texts(settings.get("sources")):
            yield from self._earlier_run(run_id, settings.get("site"))
        if read := settings.get("attributions"):
            yield from self._earlier_attributions(read)

    def _differs(self, relation: str, names: tuple[Any, ...], read: str | None) -> bool:
        if read is None or None in names:
            return False
        now = self._hash((relation, names))
        return now is not None and now != read

    def _hash(self, place: Place) -> str | None:
        """Return the hash of a corpus's text, of a data set's prompts or subjects, or of a checkpoint's weights.

        Null if it is not stored.
        """
        hashes = self.stored.hashes
        if place not in hashes:
            relation, hash_of = _HASH[place[0]]
            uris = self.stored.files.get((relation, place[1]))
            hashes[place] = hash_of(self.stored, uris) if uris else None
        return hashes[place]

    def _earlier_run(self, run_id: str, site: str | None) -> Iterator[str]:
        """Yield what is wrong with a run as an input: its rows have given way to others, or are stale."""
        places = [place for place in self.owned.get(run_id, ()) if place[0] not in _ROOTS and of_site(place, site)]
        if not places and (run := self.stored.run(run_id)):
            yield f"earlier {run.job} ({run.unit})"
        for place in places:
            if of := self.stale_of(place):
                yield of

    def _earlier_attributions(self, read: Mapping[str, Any]) -> Iterator[str]:
        names = tuple(str(read.get(name)) for name in RELATIONS["attribution_quality"].partition)
        place = ("attribution_quality", names)
        uris = self.stored.files.get(place)
        run = self.stored.run(run_of(uris[0])) if uris else None
        if uris is None or (run and not holds(run.settings, read)):
            yield f"earlier attributions ({'/'.join(names)})"
        elif of := self.stale_of(place):
            yield of


def _text_hash(stored: Provenance, uris: list[str]) -> str | None:
    ((settings,),) = stored.rows(uris, "settings")
    text: str | None = json.loads(settings).get("text_sha256")
    return text


def _weights_hash(stored: Provenance, uris: list[str]) -> str | None:
    ((weights,),) = stored.rows(uris, "weights_sha256")
    return str(weights)


def _prompts_hash(stored: Provenance, uris: list[str]) -> str | None:
    run = stored.run(run_of(uris[0]))
    if run and "prompts_sha256" in run.settings:  # of earlier versions, runs do not say it
        return str(run.settings["prompts_sha256"])
    return prompts_sha256(stored.rows(uris, "prompt_id", "objective", "concept", "text", "answer"))


def _subjects_hash(stored: Provenance, uris: list[str]) -> str | None:
    run = stored.run(run_of(uris[0]))
    of_earlier_versions = subjects_sha256([])  # which stored none
    return run.settings.get("subjects_sha256", of_earlier_versions) if run else None


_HASH = {
    "corpora": ("corpora", _text_hash),
    "checkpoints": ("checkpoints", _weights_hash),
    "prompts": ("prompts", _prompts_hash),
    "subjects": ("prompts", _subjects_hash),
}
"""What a unit can be made of: the relation that it is stored in, and its hash there."""


def prompts_sha256(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the SHA-256 of prompts (prompt_id, objective, concept, text, answer), whatever their order."""
    digest = sha256()
    for row in sorted(rows, key=lambda row: (row[2], row[0])):
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()


def subjects_sha256(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the SHA-256 of facts (fact_id, concept, subject, answer) whose subject is known, each once."""
    return sha256(repr(sorted({tuple(row) for row in rows if row[2] is not None})).encode()).hexdigest()


def run_of(uri: str) -> str:
    """Return the run that wrote a data file: its name begins with it."""
    name = uri.rpartition("/")[2].removesuffix(".parquet")
    return "-".join(name.split("-")[:2])


def partition_of(relation: str, uri: str) -> dict[str, str]:
    """Return the partition columns of a data file and their values, which name its folders."""
    columns = RELATIONS[relation].partition
    folders = uri.split("/")[-1 - len(columns) : -1] if columns else []
    return dict(zip(columns, (unquote(folder.partition("=")[2]) for folder in folders), strict=True))


def _place(relation: str, uri: str) -> Place:
    return relation, tuple(partition_of(relation, uri).values())


def of_site(place: Place, site: str | None) -> bool:
    """Return whether a place has rows of a site (null: of any); what a job without sites has stored serves all."""
    if site is None or place[0] not in _OF_SITES:
        return True
    columns = RELATIONS[place[0]].partition
    return "site" in columns and place[1][columns.index("site")] == site


def _texts(found: Any) -> Iterator[str]:
    """Yield the texts of a nest of lists and mappings."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping):
        for value in found.values():
            yield from _texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value)
