"""Storage, schema, catalog and queries of the neuron warehouse."""

from nwh.warehouse.errors import NwhError
from nwh.warehouse.warehouse import Warehouse

__all__ = ["NwhError", "Warehouse"]
