"""Which files hold the rows of a warehouse: what completed runs say they stored, in the order of their commits.

A run's row in `runs` names every partition that the run replaced, and the files that hold its rows now: its manifest.
Appending that row to the Delta table `runs` is the one commit. Why that is right with any number of writers, on a
folder and on an object store:

- A version of a Delta table is one key that one writer can make: a rename that replaces nothing, a PUT if absent. The
  row carries its version as `seq`; who comes second reads what is stored by then, decides again and tries the next
  version. So runs have one order, and no two of them one `seq`.
- What is stored is a fold over the rows in that order: of each partition, the files that the last run names. It is a
  function of one version of one table. A reader sees a run in all relations or in none, and never goes back.
- Files are named by their run and never written again: no writer can touch another's. A run that dies before its row
  leaves files that nothing names, which `vacuum` removes; one that dies after it is complete. There is nothing to undo.
- Of two runs of one unit the second finds, before its row, rows that were not there when it began, and is refused.

The other tables' Delta logs follow (`Tables.publish`), for engines that read one table at a time: nothing here reads
them. Runs of nwh 0.1 have no manifest; the first run after them names all that was stored before it, `whole`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nwh.warehouse.schema import RELATIONS

Place = tuple[str, tuple[str, ...]]
"""A relation, and the values of its partition columns."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file with rows of one partition of a relation."""

    path: str
    """inside the relation's folder"""
    size: int
    rows: int
    partition: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """What a run stored: the files of each place whose rows it replaced.

    whole: these are all places of the warehouse. nothing_stale: none is stale after the run (see `provenance`).
    schema_version: of the schema that all of the warehouse is stored in after the run.
    """

    places: Mapping[Place, list[DataFile]]
    whole: bool = False
    nothing_stale: bool = False
    schema_version: int = 1

    @property
    def text(self) -> str:
        """The manifest as `runs.manifest` holds it: JSON."""
        places = [
            [relation, list(values), [[file.path, file.size, file.rows] for file in files]]
            for (relation, values), files in self.places.items()
        ]
        about = {"schema_version": self.schema_version, "whole": self.whole, "nothing_stale": self.nothing_stale}
        return json.dumps({**about, "places": places})


def read_manifest(text: str) -> Manifest:
    """Return the manifest of a text of `runs.manifest`."""
    found = json.loads(text)
    places = {}
    for relation, values, files in found["places"]:
        partition = dict(zip(RELATIONS[relation].partition, values, strict=True)) if relation in RELATIONS else {}
        places[relation, tuple(values)] = [DataFile(path, size, rows, partition) for path, size, rows in files]
    return Manifest(places, found["whole"], found["nothing_stale"], found["schema_version"])


def fold(rows: Iterable[tuple[int | None, str | None]]) -> Manifest | None:
    """Return what the manifests of completed runs, each with its `seq`, say is stored; null where none has one."""
    known = sorted((seq, text) for seq, text in rows if seq is not None and text is not None)
    if not known:
        return None
    stored: dict[Place, list[DataFile]] = {}
    last = Manifest({})
    for _, text in known:
        last = read_manifest(text)
        if last.whole:
            stored.clear()
        stored.update(last.places)
    return replace(last, places={place: files for place, files in stored.items() if files}, whole=True)
