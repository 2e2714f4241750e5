"""Which neurons a run is asked for, and what a unit holds of earlier runs over others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.job import Task
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.runs import Run, Unit

Wanted = dict[int, list[int]]
"""Layer -> its neurons, both ascending."""


def wanted_neurons(
    place: str, stored: Sequence[int], n_neurons: int, layers: Sequence[int], neurons: Sequence[int]
) -> Wanted:
    """Return the neurons of some layers (all stored ones where there are none); UsageError for what is not there.

    place: MODEL@CHECKPOINT/SITE, for messages.
    """
    for what, given, there in (("layer", layers, stored), ("neuron", neurons, range(n_neurons))):
        if outside := [i for i in given if i not in there]:
            raise UsageError(f"no {what} {outside[0]} in {place}: it has {what}s {_listed(there)}")
    chosen = sorted(set(neurons)) or list(range(n_neurons))
    return dict.fromkeys(sorted(set(layers)) or stored, chosen)


def without(wanted: Wanted, others: Wanted) -> Wanted:
    """Return those of some neurons that are not among others; layers of which none is left are left out."""
    left = {layer: sorted(set(neurons) - set(others.get(layer, []))) for layer, neurons in wanted.items()}
    return {layer: neurons for layer, neurons in left.items() if neurons}


def united(one: Wanted, other: Wanted) -> Wanted:
    """Return the neurons that are among one or the other."""
    return {layer: sorted({*one.get(layer, []), *other.get(layer, [])}) for layer in sorted({*one, *other})}


def to_ranges(wanted: Wanted) -> dict[str, list[list[int]]]:
    """Return neurons as JSON holds them: layer -> [first, last] of each stretch."""
    stretches = {
        layer: np.split(neurons, np.flatnonzero(np.diff(neurons) > 1) + 1) for layer, neurons in wanted.items()
    }
    return {str(layer): [[int(part[0]), int(part[-1])] for part in parts] for layer, parts in stretches.items()}


def from_ranges(ranges: dict[str, list[list[int]]]) -> Wanted:
    """Return the neurons that `to_ranges` has written."""
    return {
        int(layer): [neuron for first, last in stretches for neuron in range(first, last + 1)]
        for layer, stretches in ranges.items()
    }


def task_beside(
    job: str,
    warehouse: Warehouse,
    unit: Unit,
    described: dict[str, Any],
    wanted: Wanted,
    work: Callable[[Wanted, Run], object],
    *,
    made: str,
    way_out: str,
    keeps: bool = True,
) -> Task:
    """Return the task for some neurons of a unit beside those that earlier runs have stored, which stay if `keeps`.

    described: the settings, without `neurons`. work: gets the neurons whose rows stay. UsageError where these were made
    by other settings: the stored `made` otherwise, and the way out.
    """
    found = warehouse.units.stored(job, unit)
    stored = {**found.settings} if found else {"neurons": {}}
    before = from_ranges(stored.pop("neurons"))
    kept = without(before, wanted) if keeps else {}
    if kept and stored != described:
        names = dict.fromkeys([*described, *stored])
        differ = ", ".join(name for name in names if stored.get(name) != described.get(name))
        raise UsageError(f"the stored {made} otherwise ({differ}): {way_out}")
    done = stored == described and not without(wanted, before)
    settings = {**described, "neurons": to_ranges(united(kept, wanted))}
    return Task(job, unit, settings, partial(work, kept), is_stored=lambda: done)


def stored_rows(warehouse: Warehouse, relation: str, unit: Unit, layer: int, neurons: Sequence[int]) -> pa.Table:
    """Return what a relation's files hold of some neurons of a layer, by neuron."""
    schema = RELATIONS[relation].file_schema
    where = " and ".join(f"{name} = ${name}" for name in unit)
    rows = warehouse.sql(
        f"select {', '.join(schema.names)} from {relation} where {where} and layer = $layer "
        "and list_contains($neurons, neuron) order by neuron",
        {**unit, "layer": layer, "neurons": list(neurons)},
    )
    return rows.to_arrow_table().cast(schema)


def _listed(numbers: Sequence[int]) -> str:
    """Return ascending numbers in words: `0 to 11`, or one by one where some are missing."""
    first, last = numbers[0], numbers[-1]
    return f"{first} to {last}" if len(numbers) == last - first + 1 else ", ".join(map(str, numbers))
