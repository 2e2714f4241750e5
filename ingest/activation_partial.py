"""Partial results of a pass over a corpus: saved from time to time, so that an interrupted run can go on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from nwh.ingest.batches import Tally
from nwh.ingest.summaries.layer import LayerSummary
from nwh.warehouse import partial
from nwh.warehouse.runs import Run

_FORM = 2  # raised when summaries hold something else than before under the same version

Summaries = Mapping[tuple[str, int], LayerSummary]
"""By site and layer."""


def save(run: Run, settings: dict[str, Any], summaries: Summaries, tally: Tally, done: int, n_sentences: int) -> None:
    """Stage everything the run knows after its first `done` of `n_sentences` sentences."""
    description = {
        "run_id": run.run_id,
        "nwh": version("nwh"),
        "form": _FORM,
        "done": done,
        "total": n_sentences,
        "seconds": run.seconds,
        "model_seconds": run.model_seconds,
        "too_short": tally.too_short,
        "truncated": tally.truncated,
        "settings": settings,
    }
    states = (
        (f"{site}/{layer}/{name}", tensor.contiguous().numpy())
        for (site, layer), summary in summaries.items()
        for name, tensor in summary.state().items()
    )
    partial.save(run.storage, run.place, description, chain([("n_tokens", tally.n_tokens)], states))


def resume(run: Run, settings: dict[str, Any], summaries: Summaries, n_sentences: int) -> tuple[Tally, int]:
    """Fill fresh summaries from the staged partial result; return the tally and the number of sentences done.

    A partial result of other settings, or of another version of nwh, is discarded with a note.
    """
    tally = Tally(n_sentences)
    found = partial.describe(run.storage, run.place)
    if found is None:
        return tally, 0
    if (found["nwh"], found.get("form"), found["settings"]) != (version("nwh"), _FORM, settings):
        run.note("a partial result of an earlier run, of another version or with other settings, was discarded")
        run.storage.discard_staged(run.place)
        return tally, 0
    states: dict[tuple[str, int], dict[str, Tensor]] = {key: {} for key in summaries}
    for name, array in partial.load(run.storage, run.place):
        if name == "n_tokens":
            tally.n_tokens = array
            continue
        site, layer, part = name.split("/")
        states[site, int(layer)][part] = torch.from_numpy(array)
    for key, summary in summaries.items():
        summary.restore(states.pop(key))
    tally.too_short, tally.truncated = found["too_short"], found["truncated"]
    run.seconds_before, run.model_seconds = found["seconds"], found["model_seconds"]
    run.note(f"resumed run {found['run_id']} at sentence {found['done']:,} of {found['total']:,}")
    return tally, found["done"]
