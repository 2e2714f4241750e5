"""Partial results of a pass over a corpus: saved from time to time, so that an interrupted run can go on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, groupby
from typing import Any

import torch

from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.runs import Run

Summaries = Mapping[tuple[str, int], LayerSummary]
"""By site and layer."""


def save(
    run: Run, settings: dict[str, Any], summaries: Summaries, tally: SentenceCounts, done: int, n_sentences: int
) -> None:
    """Stage everything the run knows after its first `done` of `n_sentences` sentences."""
    states = (
        (f"{site}/{layer}/{name}", tensor.contiguous().numpy())
        for (site, layer), summary in summaries.items()
        for name, tensor in summary.state().items()
    )
    arrays = chain([("n_tokens", tally.n_tokens)], states)
    resume_state.save(run, settings, done, n_sentences, arrays, too_short=tally.too_short, truncated=tally.truncated)


def resume(run: Run, settings: dict[str, Any], summaries: Summaries, n_sentences: int) -> tuple[SentenceCounts, int]:
    """Fill fresh summaries from the staged partial result; return the tally and the number of sentences done.

    One layer's state is read at a time. See `resume_state.resume` for what is discarded.
    """
    tally = SentenceCounts(n_sentences)
    found = resume_state.resume(run, settings)
    if found is None:
        return tally, 0
    arrays = resume_state.load(run.storage, run.place)
    _, tally.n_tokens = next(arrays)
    for key, of_layer in groupby(arrays, _layer_of):
        summaries[key].restore({name.split("/")[2]: torch.from_numpy(array) for name, array in of_layer})
    tally.too_short, tally.truncated = found["too_short"], found["truncated"]
    run.note(f"resumed run {found['run_id']} at sentence {found['done']:,} of {found['total']:,}")
    return tally, found["done"]


def _layer_of(named: tuple[str, Any]) -> tuple[str, int]:
    site, layer, _ = named[0].split("/")
    return site, int(layer)
