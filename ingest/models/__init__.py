"""Language models: find, load and describe a checkpoint, and read its activations while it runs."""

from nwh.ingest.models.capture import SITES, capture, forward
from nwh.ingest.models.families import FAMILIES, Family, family_of
from nwh.ingest.models.loading import Checkpoint, LoadedModel, load
from nwh.ingest.models.references import Source, list_checkpoints, resolve

__all__ = [
    "FAMILIES",
    "SITES",
    "Checkpoint",
    "Family",
    "LoadedModel",
    "Source",
    "capture",
    "family_of",
    "forward",
    "list_checkpoints",
    "load",
    "resolve",
]
