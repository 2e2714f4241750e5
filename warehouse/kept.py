"""What many answers start from: computed once in a process, and again when a file behind it is another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 1 << 29
"""What is kept together, at most; what was not asked for longest goes first."""


class Sized(Protocol):
    """What says how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """In bytes."""
        ...


T = TypeVar("T", bound=Sized | None)
_kept: OrderedDict[tuple[Any, ...], Future[Any]] = OrderedDict()
_lock = Lock()


def kept(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """Return what was made for a key, made now where it was not; threads that ask meanwhile wait for it.

    Null, for what there is not, is kept too.
    """
    with _lock:
        future = _kept.get(key)
        is_new = future is None
        if future is None:
            future = _kept[key] = Future()
        _kept.move_to_end(key)
    if is_new:
        try:
            future.set_result(make())
        except BaseException as error:
            with _lock:
                _kept.pop(key, None)
            future.set_exception(error)
        else:
            _make_room()
    made: T = future.result()
    return made


def n_bytes() -> int:
    """Return how much is kept."""
    with _lock:
        return sum(_sizes().values())


def _sizes() -> dict[tuple[Any, ...], int]:
    made = {key: future.result() for key, future in _kept.items() if _is_made(future)}
    return {key: 0 if each is None else each.nbytes for key, each in made.items()}


def _make_room() -> None:
    with _lock:
        sizes = _sizes()
        total = sum(sizes.values())
        for key in list(sizes)[:-1]:
            if total <= MOST_BYTES:
                return
            total -= sizes[key]
            del _kept[key]


def _is_made(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None


def table(
    warehouse: Warehouse,
    query: str,
    params: Mapping[str, Any],
    relations: Iterable[str],
    unit: Mapping[str, str],
    tables: Mapping[str, Callable[[], pa.Table]] | None = None,
) -> pa.Table:
    """Return the rows of a query, kept until a file that it reads is another.

    It reads `relations` alone, and of these only partitions that have the values of `unit`. tables: rows at hand, by
    the names that the query gives them, made of the same files.
    """

    def make() -> pa.Table:
        with warehouse.cursor() as cursor:
            for name, rows in (tables or {}).items():
                cursor.register(name, rows())
            return cursor.sql(query, params=dict(params)).to_arrow_table()

    read = (uri for relation in relations for uri in files(warehouse, relation, unit))
    return kept((query, *sorted(params.items()), *read), make)


def files(warehouse: Warehouse, relation: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the files of a relation's partitions that have the wanted values."""
    for uri in warehouse.snapshot.get(relation, []):
        partition = _partition(warehouse, relation, uri)
        if all(wanted.get(name, value) == value for name, value in partition.items()):
            yield uri


def partitions(warehouse: Warehouse, relation: str, wanted: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the partitions of a relation that hold rows and have the wanted values, as column -> value."""
    found = (_partition(warehouse, relation, uri) for uri in files(warehouse, relation, wanted))
    return [dict(items) for items in dict.fromkeys(tuple(partition.items()) for partition in found)]


def _partition(warehouse: Warehouse, relation: str, uri: str) -> dict[str, str]:
    # it is in the path of a file: nothing is read
    folders = warehouse.tables.path_of(relation, uri).split("/")[:-1]
    return dict(folder.split("=", 1) for folder in folders)
