"""Storage, schema, catalog, queries and command line of the neuron warehouse."""

from warehouse.errors import NwhError
from warehouse.warehouse import Warehouse

__all__ = ["NwhError", "Warehouse"]
