"""A partial result in the staging area: named arrays and a description, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nwh.warehouse.storage import Storage

if TYPE_CHECKING:
    import numpy as np

_FILE = "partial"


def save(storage: Storage, place: str, description: dict[str, Any], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Replace the partial result at `place`; arrays are taken one at a time and streamed."""

    def write(stream: Any) -> None:
        _put(stream, description)
        for name, array in arrays:
            _put(stream, {"name": name, "dtype": array.dtype.str, "shape": array.shape})
            stream.write(_bytes(array))

    storage.stage(place, _FILE, write)


def describe(storage: Storage, place: str) -> dict[str, Any] | None:
    """Return the description of the partial result at `place`, null where there is none."""
    if not storage.is_staged(place, _FILE):
        return None
    with storage.open_staged(place, _FILE) as stream:
        return _get(stream)


def load(storage: Storage, place: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of the partial result at `place`, in the order they were saved."""
    import numpy as np

    with storage.open_staged(place, _FILE) as stream:
        _get(stream)
        while about := _get(stream):
            array = np.empty(about["shape"], np.dtype(about["dtype"]))
            stream.readinto(_bytes(array))
            yield about["name"], array


def _bytes(array: np.ndarray) -> Any:
    """Return the memory of a contiguous array as bytes, without a copy."""
    return array.reshape(-1).view("u1").data


def _put(stream: Any, content: dict[str, Any]) -> None:
    encoded = json.dumps(content).encode()
    stream.write(len(encoded).to_bytes(8, "little"))
    stream.write(encoded)


def _get(stream: Any) -> dict[str, Any] | None:
    length = stream.read(8)
    return dict(json.loads(stream.read(int.from_bytes(length, "little")))) if length else None
