"""`nwh upgrade`: what a warehouse of an earlier version lacks, made of what it has; no model runs, nothing is lost.

STEPS is the way from version 1 to the present one. Each step finds what is missing, which `nwh status` shows, and makes
it, unit by unit, as the job would: readers see the old or the new of a unit, and a step that was killed goes on.
The version is written last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from nwh.ingest.profiles.units import missing_profiles
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS, SCHEMA_VERSION
from nwh.warehouse.storage.provenance import partition_of
from nwh.warehouse.storage.runs import Run, Unit, unit_name


@dataclass(frozen=True)
class Step:
    """What leads to a version: the units of a job that earlier ones lack, and how they are made.

    make: notes of the run that it is given are stored.
    """

    version: int
    job: str
    missing: Callable[[Warehouse], list[Unit]]
    make: Callable[[Warehouse, Run, Progress], None]


def upgrade(warehouse: Warehouse, progress: Progress = SILENT) -> bool:
    """Bring a warehouse to SCHEMA_VERSION; return whether there was anything to do.

    Killed, it goes on when it is called again. BusyError where another process is at it.
    """
    before = warehouse.version
    if before == SCHEMA_VERSION:
        return False
    unit = {"version": str(SCHEMA_VERSION)}
    with warehouse.run("upgrade", unit, {"from": before, "to": SCHEMA_VERSION}, progress=progress) as run:
        for step in STEPS:
            if step.version > before:
                step.make(warehouse, run, progress)
        for line in unknown(warehouse):
            run.note(line)
        run.upgraded = True
    return True


def missing(warehouse: Warehouse) -> list[tuple[str, str]]:
    """Return job and unit of all that is missing and can be made without a model; of an earlier version, itself too."""
    found = [(step.job, unit_name(unit)) for step in STEPS for unit in step.missing(warehouse)]
    behind = warehouse.version < SCHEMA_VERSION
    return [*found, ("upgrade", f"version={SCHEMA_VERSION}")] if behind else found


def unknown(warehouse: Warehouse) -> Iterator[str]:
    """Yield a line for each column that is null in some units and only a model could fill, with the command for it."""
    if units := _lacking("neuron_stats", warehouse):
        yield (
            f"neuron_stats.max_token is null in {len(units)} units, where version 1 ran the model: it alone knows, and "
            "dead neurons are not told there. `nwh ingest activations … --again` runs it again, and removes what was "
            f"made of its rows (the first: {unit_name(units[0])})"
        )


def _lacking(relation: str, warehouse: Warehouse) -> list[Unit]:
    """Return the units of a relation that an earlier version has written: their files lack a column."""
    import pyarrow.parquet as pq

    wanted, found = set(RELATIONS[relation].file_schema.names), {}
    for uri in warehouse.snapshot.get(relation, ()):
        with warehouse.storage.open_uri(uri) as stream:
            if wanted - set(pq.read_schema(stream).names):
                unit = partition_of(relation, uri)
                found[unit_name(unit)] = unit
    return [found[name] for name in sorted(found)]


def _missing_profiles(warehouse: Warehouse) -> list[Unit]:
    return [unit for unit, _ in missing_profiles(warehouse)]


def _make_profiles(warehouse: Warehouse, run: Run, progress: Progress) -> None:
    from nwh.ingest.profiles.job import ingest_profiles

    ingest_profiles(warehouse, progress=progress)


def _mine_patterns(warehouse: Warehouse, run: Run, progress: Progress) -> None:
    """Mine units of patterns chosen on all sentences, or stored without their texts or what neurons detect."""
    from nwh.ingest.patterns.job import mine_again

    for unit in _lacking("neuron_patterns", warehouse):
        stored = warehouse.units.stored("patterns", unit)
        try:
            if stored is None:
                raise UsageError("no run says how they were mined")
            mine_again(warehouse, unit, stored.settings, progress=progress)
        except UsageError as error:
            run.note(f"patterns of {unit_name(unit)} are left as they are: {error}")


def _say_rule(job: str, warehouse: Warehouse, run: Run, progress: Progress) -> None:
    """Say by which rule of attribution the rows of a job are."""
    from nwh.ingest.knowledge.attribution_rows import say_rule

    for unit in _lacking(job, warehouse):
        if (stored := warehouse.units.stored(job, unit)) is None:
            run.note(f"{job} of {unit_name(unit)} are left as they are: no run says by which rule they were made")
        else:
            say_rule(warehouse, job, unit, stored.settings, progress)


STEPS = (
    Step(3, "profiles", _missing_profiles, _make_profiles),
    Step(3, "patterns", partial(_lacking, "neuron_patterns"), _mine_patterns),
    *(Step(3, job, partial(_lacking, job), partial(_say_rule, job)) for job in ("attributions", "interventions")),
)
"""In their order. Whoever raises SCHEMA_VERSION adds lines here, and a warehouse with `make_warehouse` of the tests.
"""
