"""What an interrupted run leaves in the staging area, and the one rule by which another run goes on from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from nwh.warehouse.errors import StorageError
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run, library_versions

_FILE = "partial"


def save(
    run: Run,
    settings: Mapping[str, Any],
    done: int,
    total: int,
    arrays: Iterable[tuple[str, np.ndarray]] = (),
    name: str = _FILE,
    **about: Any,
) -> None:
    """Replace the partial result of a run: `done` of the `total` that its bar counts, named arrays, and `about`.

    Arrays are taken one at a time and streamed; `about` is what JSON holds. `name`: of a part of the result that is
    complete and only has to be kept; `load` reads it.
    """
    description = {
        "run_id": run.run_id,
        "done": done,
        "total": total,
        "seconds": run.seconds,
        "model_seconds": run.model_seconds,
        "settings": settings,
        "versions": library_versions(),
        **about,
    }

    def write(stream: Any) -> None:
        _put(stream, description)
        for title, array in arrays:
            _put(stream, {"name": title, "dtype": array.dtype.str, "shape": array.shape})
            stream.write(_bytes(array))
        _put(stream, {})

    run.storage.stage(run.place, name, write)


def resume(run: Run, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the description of the partial result that a run goes on from; null where it starts from nothing.

    It goes on from results of the same settings that the same versions of all libraries computed. Others, and one that
    is cut, are discarded, and a note says why.
    """
    found = describe(run.storage, run.place)
    why = obstacle(found, settings)
    if found is not None and why is None:
        run.seconds_before, run.model_seconds = found["seconds"], found["model_seconds"]
        return found
    if run.storage.is_staged(run.place, _FILE):
        run.note(f"a partial result of an earlier run, {why}, was discarded: this run starts from the beginning")
    run.storage.discard_staged(run.place)
    return None


def obstacle(found: Mapping[str, Any] | None, settings: Mapping[str, Any] | None = None) -> str | None:
    """Return why a run cannot go on from a partial result of this description; null where it can.

    settings: those of the run; null where only the result itself is asked about.
    """
    if found is None:
        return "that is cut"
    if found.get("versions") != library_versions():
        return f"that {_other_versions(found.get('versions') or {})} computed"
    if settings is not None and found["settings"] != json.loads(json.dumps(settings)):
        return "with other settings"
    return None


def describe(storage: Storage, place: str, name: str = _FILE) -> dict[str, Any] | None:
    """Return the description of the partial result at `place`; null where there is none, or not all of it.

    name: as for `save`.
    """
    try:
        with storage.open_staged(place, name) as stream:
            return _get(stream)
    except (OSError, ValueError, StorageError):
        return None


def load(storage: Storage, place: str, name: str = _FILE) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of the partial result at `place`, in the order they were saved.

    StorageError where the file does not hold as much as it says.
    """
    with storage.open_staged(place, name) as stream:
        _get(stream)
        while about := _get(stream):
            array = np.empty(about["shape"], np.dtype(about["dtype"]))
            if stream.readinto(_bytes(array)) != array.nbytes:
                raise StorageError(
                    f"the partial result in staging/{place} of {storage} is damaged: `nwh vacuum --staging` drops it"
                )
            yield about["name"], array


def _other_versions(before: Mapping[str, str | None]) -> str:
    """Return the libraries that were of another version, with it: `torch 2.6`."""
    now = library_versions()
    differ = [f"{name} {before.get(name)}" for name in now if name in before and before[name] != now[name]]
    return ", ".join(differ) or "an earlier version of nwh"


def _bytes(array: np.ndarray) -> Any:
    """Return the memory of a contiguous array as bytes, without a copy."""
    return array.reshape(-1).view("u1").data


def _put(stream: Any, content: Mapping[str, Any]) -> None:
    encoded = json.dumps(content).encode()
    stream.write(len(encoded).to_bytes(8, "little"))
    stream.write(encoded)


def _get(stream: Any) -> dict[str, Any]:
    return dict(json.loads(stream.read(int.from_bytes(stream.read(8), "little"))))
