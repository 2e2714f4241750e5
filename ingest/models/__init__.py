"""Language models: find, load and describe a checkpoint, and read its activations while it runs."""

from ingest.models.capture import SITES, capture, forward
from ingest.models.families import FAMILIES, Family, family_of
from ingest.models.loading import Checkpoint, LoadedModel, load
from ingest.models.references import Source, list_checkpoints, resolve

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
