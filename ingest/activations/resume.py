"""Partial results of a pass over a corpus: saved from time to time, so that an interrupted run can go on.

Where layers are taken in several passes, those of a pass that is complete are kept in a file for each place; a shard
leaves all of them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run

Summaries = Mapping[Place, LayerSummary]


@dataclass(frozen=True)
class Reached:
    """Where a run stands: in which of its `passes` (layers each), after how many of its sentences.

    first: the ordinal of the first of these.
    """

    passes: Sequence[Sequence[int]]
    number: int
    done: int
    n_sentences: int
    first: int = 0

    @property
    def sentences(self) -> int:
        """Sentences run, those of earlier passes included."""
        return self.number * self.n_sentences + self.done

    @property
    def total(self) -> int:
        """Sentences to run in all passes."""
        return len(self.passes) * self.n_sentences


def save(run: Run, settings: dict[str, Any], summaries: Summaries, tally: SentenceCounts, reached: Reached) -> None:
    """Stage everything the run knows of the pass under way."""
    about: dict[str, Any] = {"passes": reached.passes, "pass": reached.number, "of_pass": reached.done}
    about |= {"too_short": tally.too_short, "truncated": tally.truncated}
    resume_state.save(run, settings, reached.sentences, reached.total, _arrays(summaries, tally, reached), **about)


def save_pass(run: Run, settings: dict[str, Any], summaries: Summaries, reached: Reached) -> None:
    """Keep the summaries of a complete pass, a file for each place."""
    for place, summary in summaries.items():
        arrays = _arrays_of(summary)
        resume_state.save(run, settings, reached.sentences, reached.total, arrays, name=file_of(place))


def found_passes(run: Run, settings: dict[str, Any], planned: list[list[int]], n_sentences: int) -> Reached:
    """Return where an interrupted run stopped, in passes at least as small as those planned; else the beginning."""
    found = resume_state.resume(run, settings)
    if found is None or "passes" not in found:
        return Reached(planned, 0, 0, n_sentences)
    if len(found["passes"]) < len(planned):
        run.note("a partial result of an earlier run, which had more memory, was discarded: this run starts anew")
        run.storage.discard_staged(run.place)
        run.seconds_before, run.model_seconds = 0.0, None
        return Reached(planned, 0, 0, n_sentences)
    run.note(f"resumed run {found['run_id']} at sentence {found['done']:,} of {found['total']:,}")
    return Reached(found["passes"], found["pass"], found["of_pass"], n_sentences)


def restore(run: Run, summaries: Summaries, tally: SentenceCounts, first: int = 0) -> None:
    """Fill fresh summaries and a tally from the staged partial result, reading one layer's state at a time.

    first: the ordinal of the run's first sentence.
    """
    found = resume_state.describe(run.storage, run.place)
    assert found is not None
    arrays = resume_state.load(run.storage, run.place)
    _, n_tokens = next(arrays)
    tally.n_tokens[first : first + len(n_tokens)] = n_tokens
    for place, state in _states(arrays):
        summaries[place].restore(state)
        del state  # before the next one is read
    tally.too_short, tally.truncated = found["too_short"], found["truncated"]


def restored(fresh: LayerSummary, storage: Storage, staged: str, place: Place) -> LayerSummary:
    """Return a fresh summary filled with what a complete pass has left of a place in a folder of the staging area."""
    fresh.restore(state_of(storage, staged, place))
    return fresh


def state_of(storage: Storage, staged: str, place: Place) -> dict[str, Tensor]:
    """Return what a complete pass has left of a place in a folder of the staging area, as `LayerSummary.state`."""
    return {name: torch.from_numpy(array) for name, array in resume_state.load(storage, staged, file_of(place))}


def file_of(place: Place) -> str:
    """Return the name of the file that keeps a place of a complete pass."""
    return f"{place[0]}-{place[1]}"


def _arrays(summaries: Summaries, tally: SentenceCounts, reached: Reached) -> Iterator[tuple[str, np.ndarray]]:
    yield "n_tokens", tally.n_tokens[reached.first : reached.first + reached.n_sentences]
    for (site, layer), summary in summaries.items():
        for name, array in _arrays_of(summary):
            yield f"{site}/{layer}/{name}", array


def _arrays_of(summary: LayerSummary) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a summary's state as named arrays in main memory."""
    for name, tensor in summary.state().items():
        yield name, tensor.cpu().contiguous().numpy()


def _states(arrays: Iterator[tuple[str, np.ndarray]]) -> Iterator[tuple[Place, dict[str, Tensor]]]:
    for place, of_layer in groupby(arrays, _place_of):
        yield place, {name.split("/")[2]: torch.from_numpy(array) for name, array in of_layer}


def _place_of(named: tuple[str, Any]) -> Place:
    site, layer, _ = named[0].split("/")
    return site, int(layer)
