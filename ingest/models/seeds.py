"""Runs of one series that differ by their seed alone: `{seed}` in a model's reference, or `seed_0` in its name."""

from __future__ import annotations

import re
from pathlib import Path

from nwh.ingest.models import hub
from nwh.warehouse.errors import UsageError

_SEED = re.compile(r"\{seed(?::([^{}]*))?\}")
_PART = re.compile(r"(^|[-_.]+)seed[-_.]?(\d+)($|[-_.])", re.IGNORECASE)  # as schema.neurons has it for older files


def one_of_each_seed(reference: str) -> list[str]:
    """Return a reference as it is, or with `{seed}` as one reference for each seed there is, ascending.

    `{seed:0,3}` names them: then nothing is looked for. Result: references with `{seed:0}`, which say both what to load
    and what varies. UsageError: no run of any seed, seeds that are no whole numbers, or more than one `{seed}`.
    """
    found = _SEED.findall(reference)
    if not found:
        return [reference]
    if len(found) > 1:
        raise UsageError(f"{reference} has more than one {{seed}}: the seed of a run is one number")
    named = [item.strip() for item in found[0].split(",") if item.strip()]
    if wrong := [item for item in named if not item.isdecimal()]:
        raise UsageError(f"{reference}: {wrong[0]!r} is not a seed: whole numbers are taken, as in {{seed:0,1,2}}")
    seeds = list(dict.fromkeys(map(int, named))) or _there(reference)
    if not seeds:
        raise UsageError(f"there is no run of any seed like {reference}: check it, or name seeds as in {{seed:0,1,2}}")
    return [_SEED.sub(f"{{seed:{seed}}}", reference) for seed in seeds]


def with_seed(reference: str) -> tuple[str, int | None]:
    """Return a reference with its seed put in, and the seed; null where it has none.

    UsageError: `{seed}` that stands for several runs, where one is wanted.
    """
    found = _SEED.search(reference)
    if found is None:
        return reference, None
    if not (found[1] or "").strip().isdecimal():
        raise UsageError(f"{reference} stands for runs of several seeds: name one, as in {{seed:0}}")
    seed = int(found[1])
    return _SEED.sub(str(seed), reference), seed


def series_and_seed(model: str) -> tuple[str, int | None]:
    """Return what a model's name says of its seed: the name without it, and the number; null where it says none.

    >>> series_and_seed("multiberts-seed_3"), series_and_seed("pythia-14m-seed1"), series_and_seed("gpt2")
    (('multiberts', 3), ('pythia-14m', 1), ('gpt2', None))
    """
    found = _PART.search(model)
    if found is None:
        return model, None
    return _PART.sub(r"\3", model, count=1).lstrip("-_.") or model, int(found[2])


def named(name: str, seed: int) -> str:
    """Return the name of one run of a series that the user named: `bert` -> `bert-seed_3`."""
    return name if series_and_seed(name)[1] == seed else f"{name}-seed_{seed}"


def _there(reference: str) -> list[int]:
    """Return the seeds of the runs that there are."""
    before = reference[: reference.index("{seed")]
    parts = Path(reference).expanduser().parts
    place = next(i for i, part in enumerate(parts) if "{seed" in part)
    folder, part = Path(*parts[:place]), parts[place]
    if folder.is_dir() and place:
        names, wanted = [path.name for path in folder.iterdir()], part
    else:
        names, wanted = hub.repositories(before), reference
    pattern = re.escape(_SEED.sub("{seed}", wanted)).replace(r"\{seed\}", r"(\d+)").replace(r"\{checkpoint\}", ".+")
    return sorted({int(found[1]) for name in names if (found := re.fullmatch(pattern, name))})
