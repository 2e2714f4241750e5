"""Partial results of a pass over a corpus: saved from time to time, so that an interrupted run can go on.

Where layers are taken in several passes, each pass that is complete is kept as a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.activations.batches import SentenceCounts
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.runs import Run

Summaries = Mapping[Place, LayerSummary]


@dataclass(frozen=True)
class Reached:
    """Where a run stands: in which of its `passes` (layers each), after how many of the corpus's sentences."""

    passes: Sequence[Sequence[int]]
    number: int
    done: int
    n_sentences: int

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
    arrays = chain([("n_tokens", tally.n_tokens)], _arrays(summaries))
    resume_state.save(run, settings, reached.sentences, reached.total, arrays, **about)


def save_pass(run: Run, settings: dict[str, Any], summaries: Summaries, reached: Reached) -> None:
    """Keep a complete pass until the run ends."""
    name = _file(reached.number)
    resume_state.save(run, settings, reached.sentences, reached.total, _arrays(summaries), name=name)


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


def restore(run: Run, summaries: Summaries, tally: SentenceCounts) -> None:
    """Fill fresh summaries and a tally from the staged partial result, reading one layer's state at a time."""
    found = resume_state.describe(run.storage, run.place)
    assert found is not None
    arrays = resume_state.load(run.storage, run.place)
    _, tally.n_tokens = next(arrays)
    for place, state in _states(arrays):
        summaries[place].restore(state)
        del state  # before the next one is read
    tally.too_short, tally.truncated = found["too_short"], found["truncated"]


def states_of_pass(run: Run, number: int) -> Iterator[tuple[Place, dict[str, Tensor]]]:
    """Yield the states of a complete pass, one at a time."""
    return _states(resume_state.load(run.storage, run.place, _file(number)))


def _file(number: int) -> str:
    return f"pass-{number}"


def _arrays(summaries: Summaries) -> Iterator[tuple[str, np.ndarray]]:
    for (site, layer), summary in summaries.items():
        for name, tensor in summary.state().items():
            yield f"{site}/{layer}/{name}", tensor.cpu().contiguous().numpy()


def _states(arrays: Iterator[tuple[str, np.ndarray]]) -> Iterator[tuple[Place, dict[str, Tensor]]]:
    for place, of_layer in groupby(arrays, _place_of):
        yield place, {name.split("/")[2]: torch.from_numpy(array) for name, array in of_layer}


def _place_of(named: tuple[str, Any]) -> Place:
    site, layer, _ = named[0].split("/")
    return site, int(layer)
