"""How many of a data set's prompts a model knows, from some of its concepts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nwh.ingest.knowledge.attribution import answer_scores
from nwh.ingest.knowledge.attributions import BLOCK
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.known import known_prompts
from nwh.ingest.knowledge.reading import Readable
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.models import LoadedModel
from nwh.ingest.plan.estimate import Timing, enough, timed

_FEW = 4  # prompts that say how many more there is time for


@dataclass(frozen=True)
class Known:
    """Prompts that a model knows, of some that were drawn, and their share; seconds of asking about all; a note."""

    inputs: Sequence[PromptInput]
    share: float = 1.0
    asking: float = 0.0
    note: str = ""


def known_part(
    model: LoadedModel, prompts: Sequence[PromptInput], least: float, min_prompts: int, timing: Timing
) -> Known:
    """Return which prompts of some concepts, drawn, the job will find that a model knows; all where it asks about none.

    least, min_prompts: as of `known_prompts`; a concept's prompts are kept together or not at all, so concepts are
    drawn. timing: with a rate nothing is asked, and all count as known.
    """
    if least <= 0 or timing.rate is not None or not prompts:
        return Known(prompts)
    answer_scores(model, prompts[:_FEW])  # what is loaded once
    few = timed(model, lambda: answer_scores(model, prompts[:_FEW]))
    size = enough(_FEW, few, timing.seconds / 4, 2 * of_block(BLOCK, model.device))
    of_concept: dict[str, list[PromptInput]] = {}
    for prompt in prompts:
        of_concept.setdefault(prompt.concept, []).append(prompt)
    drawn: list[PromptInput] = []
    for concept in np.random.default_rng(0).permutation(list(of_concept)):
        if len(drawn) >= size:
            break
        drawn += of_concept[concept]
    began = time.monotonic()
    known = known_prompts(model, (), Readable(drawn, {}), least, min_prompts).inputs
    asking = (time.monotonic() - began) * len(prompts) / len(drawn)
    note = f"; {len(known) / len(drawn):.0%} of {len(drawn):,} prompts drawn are known at --min-probability {least:g}"
    return Known(known, len(known) / len(drawn), asking, note)
