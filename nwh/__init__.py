"""The neuron warehouse: what the neurons of language models do, in SQL."""

from importlib.metadata import version

from nwh.warehouse import NwhError, Warehouse

__version__ = version("nwh")
__all__ = ["NwhError", "Warehouse", "__version__"]
