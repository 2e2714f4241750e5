"""Storage, schema, catalog and queries of the neuron warehouse."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwh.warehouse.warehouse import Warehouse

from nwh.warehouse.errors import NwhError

__all__ = ["NwhError", "Warehouse"]


def __getattr__(name: str) -> Any:
    """Return what loads DuckDB when it is asked for: much of the package, and `nwh --help`, does without."""
    if name == "Warehouse":
        from nwh.warehouse.warehouse import Warehouse

        return Warehouse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
