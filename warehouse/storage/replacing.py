"""What a run does to rows that were made of those it replaces: they go in the same step, or the run is refused."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse.errors import BusyError, UsageError
from nwh.warehouse.jobs import JOBS, SOURCES
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.manifests import DataFile, Manifest, Place
from nwh.warehouse.storage.provenance import Provenance, Stale, run_of
from nwh.warehouse.storage.runs import Run

_NAMED = 4  # units in a message


def refuse_early(stored: Provenance, run: Run) -> None:
    """Raise UsageError where others were made of what a run is going to replace.

    Of a corpus and of prompts that is not known before they are read: they can be the same.
    """
    if run.job in SOURCES or run.job not in JOBS:
        return
    own = set(JOBS[run.job].writes)
    if not any(own & set(job.reads) for job in JOBS.values()):
        return
    replaced = [place for place in stored.files if place[0] in own and _will_replace(run, place)]
    if not replaced:
        return
    after = stored.with_run(run.run_id, run.row, {place: [f"{run.run_id}-0.parquet"] for place in replaced})
    lost = _lost(stored, after)
    if asked := [stale for stale in lost if stale.run_id != run.run_id and not JOBS[stale.run.job].follows]:
        raise refused(asked)


def settle(began_with: Manifest, now: Manifest, stored: Provenance, run: Run, again: bool) -> Manifest:
    """Return what a run stores: its rows, and nothing where others were made of rows that it replaces.

    began_with, now: what was stored when the run began, and is (`stored` too), for others may have written since.
    Raises UsageError where something would have to be emptied, unless `again`; BusyError where another run of this unit
    has been stored meanwhile, or what the run has read is not what is stored any more.
    """
    _check_still_first(began_with, now, run)
    after = stored.with_run(run.run_id, run.row, run.written)
    stale = after.stale()
    if own := [each for each in stale if each.run_id == run.run_id]:
        raise BusyError(
            f"{run.job} of {own[0].run.unit} were made of {own[0].of}, replaced while they ran: nothing of this run is "
            "stored, run the command again"
        )
    lost = _lost(stored, after)
    asked = [each for each in lost if not JOBS[each.run.job].follows]
    if asked and not again:
        raise refused(asked)
    if asked:
        run.note(f"removed, for they were of {asked[0].of}: {units_of(asked)}")
    emptied: dict[Place, list[DataFile]] = {each.place: [] for each in lost}
    return Manifest({**emptied, **run.places}, nothing_stale=len(lost) == len(stale))


def _check_still_first(began_with: Manifest, now: Manifest, run: Run) -> None:
    """Raise BusyError where rows of a run's own relations are of a run that was stored while it ran."""
    own = JOBS[run.job].writes if run.job in JOBS else ()
    for place in run.places:
        before, files = began_with.places.get(place, []), now.places.get(place, [])
        if place[0] in own and files and [file.path for file in files] != [file.path for file in before]:
            raise BusyError(
                f"run {run_of(files[0].path)} has stored {'/'.join((place[0], *place[1]))} while run {run.run_id} of "
                "the same unit was under way: its rows stay, nothing of this run is stored"
            )


def dependents(stored: Provenance, corpus: str) -> list[Stale]:
    """Return what is stored that was made of the text of a corpus."""
    return _lost(stored, stored.with_source("corpora", (corpus,), "another text"))


def _lost(before: Provenance, after: Provenance) -> list[Stale]:
    """Return what is stale after a change and was not before it."""
    already = {each.place for each in before.stale()}
    return [each for each in after.stale() if each.place not in already]


def _will_replace(run: Run, place: Place) -> bool:
    partition = dict(zip(RELATIONS[place[0]].partition, place[1], strict=True))
    sites = run.settings.get("sites", [partition.get("site")])
    return all(run.unit.get(column, value) == value for column, value in partition.items()) and (
        "site" not in partition or partition["site"] in sites
    )


def refused(lost: Sequence[Stale]) -> UsageError:
    """Return the error for a run that would leave these without what they were made of."""
    both = ", another name keeps both" if lost[0].of.startswith("an earlier text") else ""
    return UsageError(
        f"{units_of(lost)} would be of {lost[0].of} from now on: --again puts the new in its place and removes "
        f"them{both}"
    )


def units_of(lost: Sequence[Stale]) -> str:
    """Return the units of stale partitions as text, the first few of them."""
    units = list(dict.fromkeys(f"{each.run.job} of {each.run.unit}" for each in lost))
    more = f" and {len(units) - _NAMED:,} more" if len(units) > _NAMED else ""
    return ", ".join(units[:_NAMED]) + more
