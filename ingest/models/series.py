"""A model's checkpoints one after the other, one in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nwh.ingest.models.loading import LoadedModel, load
from nwh.ingest.models.references import list_checkpoints
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Progress


def for_each_checkpoint(
    work: Callable[[LoadedModel], object],
    reference: str,
    checkpoints: Sequence[str],
    progress: Progress = SILENT,
    **options: Any,
) -> None:
    """Do some work with the checkpoints of a model, `["all"]` being every one there is and none the model itself.

    options: those of `load`. A checkpoint of several that is missing or cannot be loaded is named, and the others
    go on; ModelError at the end then names them all again.
    """
    labels: list[str | None] = [*(list_checkpoints(reference) if list(checkpoints) == ["all"] else checkpoints)]
    failed = []
    for label in labels or [None]:
        try:
            loaded = load(reference, label, **options)
        except (UsageError, ModelError) as error:
            if len(labels) < 2:
                raise
            progress.note(f"{label} is left out: {error}")
            failed.append(str(label))
            continue
        work(loaded)
        del loaded  # so that the next one is not loaded beside it
    if failed:
        raise ModelError(
            f"{len(failed)} of {len(labels)} checkpoints of {reference} could not be used: {', '.join(failed)}; what "
            "could is stored"
        )
