"""The neuron warehouse: what the neurons of language models do, in SQL."""

from importlib.metadata import version

from nwh.notebook import Warehouse
from nwh.warehouse import NwhError

__version__ = version("nwh")
__all__ = ["NwhError", "Warehouse", "__version__"]
