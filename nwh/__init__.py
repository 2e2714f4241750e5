"""The neuron warehouse: what the neurons of language models do, in SQL."""

from typing import TYPE_CHECKING, Any

from nwh.warehouse import NwhError

if TYPE_CHECKING:
    from nwh.notebook import Warehouse

    __version__: str

__all__ = ["NwhError", "Warehouse", "__version__"]


def __getattr__(name: str) -> Any:
    """Return what the package offers when it is asked for: `nwh --help` needs none of it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("nwh")
    if name == "Warehouse":
        from nwh.notebook import Warehouse

        return Warehouse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
