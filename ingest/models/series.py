"""A model's checkpoints one after the other, one in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import torch

from nwh.ingest.models.devices import multiplying, pick_device, pick_dtype
from nwh.ingest.models.families import Family, description_of
from nwh.ingest.models.files import commit_of, weight_files
from nwh.ingest.models.hashing import weights_sha256
from nwh.ingest.models.loading import LoadedModel, load, quiet
from nwh.ingest.models.references import Source, list_checkpoints, resolve
from nwh.ingest.models.seeds import one_of_each_seed
from nwh.warehouse.errors import ModelError, NwhError, UsageError
from nwh.warehouse.progress import SILENT, Progress

T = TypeVar("T")


class KnownCheckpoint:
    """The columns of a `checkpoints` row that need no loading."""

    def __init__(self, source: Source, allow_pickle: bool, family: Family | None) -> None:
        self.model, self.checkpoint, self.source = source.model, source.checkpoint, source.source
        self.family_description = None if family is None else description_of(family)
        self._files = source, allow_pickle

    def __str__(self) -> str:
        return f"{self.model}@{self.checkpoint}"

    @cached_property
    def weights_sha256(self) -> str:
        """The hash of the weights, from the files; ModelError where these cannot be used."""
        source, allow_pickle = self._files
        with quiet(source.gguf_file is not None):
            return weights_sha256(weight_files(source, commit_of(source), allow_pickle))


@dataclass(frozen=True)
class KnownModel:
    """A checkpoint that is not loaded."""

    checkpoint: KnownCheckpoint
    device: torch.device
    dtype: torch.dtype
    tf32: bool = False


def for_each_checkpoint(
    work: Callable[[LoadedModel], object],
    reference: str,
    checkpoints: Sequence[str],
    progress: Progress = SILENT,
    *,
    is_stored: Callable[[KnownModel], bool] = lambda known: False,
    **options: Any,
) -> None:
    """Do some work with the checkpoints of a model, `["all"]` being every one there is and none the model itself.

    reference: with `{seed}` the runs of several seeds, one after the other (see `seeds.one_of_each_seed`).
    is_stored: says whether nothing is left to do for a checkpoint, which is not loaded then. options: those of `load`.
    A checkpoint of several that is missing or cannot be loaded is named, and the others go on; ModelError at the end
    then names them all again.
    """
    references = one_of_each_seed(reference)
    places: list[tuple[str, str | None]] = []
    for each in references:
        labels = list_checkpoints(each) if list(checkpoints) == ["all"] else checkpoints
        places += [(each, label) for label in labels] or [(each, None)]
    failed: list[str] = []

    def attempt(place: tuple[str, str | None], step: Callable[[], T], errors: tuple[type[NwhError], ...]) -> T | None:
        """Return what a step returns; null, noted, where it fails for one of several."""
        try:
            return step()
        except errors as error:
            if len(places) < 2:
                raise
            name = str(place[1]) if len(references) < 2 else f"{place[0]}@{place[1]}"
            progress.note(f"{name} is left out: {error}")
            failed.append(name)
            return None

    for place in places:
        known = attempt(place, partial(_known, *place, options), (UsageError, ModelError))
        # ModelError: its files cannot be read. Wrong use is wrong for all of them.
        if known is None or attempt(place, partial(is_stored, known), (ModelError,)) is not False:
            continue
        loaded = attempt(place, partial(load, *place, **options), (UsageError, ModelError))
        if loaded is not None:
            with multiplying(loaded.tf32):
                work(loaded)
        del loaded  # so that the next one is not loaded beside it
    if failed:
        raise ModelError(
            f"{len(failed)} of {len(places)} checkpoints of {reference} could not be used: {', '.join(failed)}; what "
            "could is stored"
        )


def _known(reference: str, label: str | None, options: Mapping[str, Any]) -> KnownModel:
    """Return what is known of a checkpoint before it is loaded; UsageError as `load` raises it."""
    source, dtype = resolve(reference, label, options.get("name")), options.get("dtype", "float32")
    checkpoint = KnownCheckpoint(source, options.get("allow_pickle", False), options.get("family"))
    return KnownModel(checkpoint, pick_device(options.get("device", "auto")), pick_dtype(dtype), dtype == "tf32")
