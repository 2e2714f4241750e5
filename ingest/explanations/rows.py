"""Rows of explanations and of explanation_judgements; what writes the ones and decides the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.explanations.chat import ChatExplainer, ChatJudge
from nwh.ingest.explanations.halves import Halves
from nwh.ingest.explanations.template import Template
from nwh.ingest.explanations.words_judge import WordsJudge
from nwh.warehouse.schema import RELATIONS

Explainer = Template | ChatExplainer
"""What writes explanations."""
Judge = WordsJudge | ChatJudge
"""What sorts sentences by an explanation alone."""


def explained(halves: Halves, explainer: Explainer, layer: int, neurons: Sequence[int]) -> pa.Table:
    """Return rows of explanations of some neurons of a layer, none of those of which nothing is said."""
    shown = list(halves.shown(layer, neurons))
    texts = explainer.explain(shown) if shown else []
    return explanation_rows(
        [
            {
                "layer": layer,
                "neuron": one.neuron,
                "place": 1,
                "explanation": text,
                "explainer": explainer.name,
                "method": explainer.method,
                "scope": halves.ground.name,
                "examples": list(one.examples),
                "prompt": explainer.prompt,
            }
            for one, text in zip(shown, texts, strict=True)
            if text
        ]
    )


def explanation_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows of explanations of one unit; what a row does not name is null."""
    schema = RELATIONS["explanations"].file_schema
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def judged(judge: Judge, layer: int, neurons: Sequence[int], said: pa.Table) -> pa.Table:
    """Return rows of explanation_judgements of some neurons of a layer.

    said: the explanations of all neurons of the layer. The control of a neuron is the first explanation of another one,
    drawn among those with another text.
    """
    texts: dict[int, list[str]] = {}
    for neuron, text in zip(said["neuron"].to_pylist(), said["explanation"].to_pylist(), strict=True):
        texts.setdefault(neuron, []).append(text)
    rows: list[tuple[int, int, str, int, int, str]] = []
    for one in judge.halves.shown(layer, [neuron for neuron in neurons if neuron in texts]):
        others = [of[0] for neuron, of in texts.items() if neuron != one.neuron and of[0] not in texts[one.neuron]]
        # another draw than that of the sentences
        chance = np.random.default_rng([judge.halves.settings.seed, layer, one.neuron, 1])
        control = {"shuffled": others[chance.integers(len(others))]} if others else {}
        sentences = [(sentence, 1) for sentence in one.top] + [(sentence, 0) for sentence in one.others]
        for place, text in enumerate(texts[one.neuron], 1):
            for whose, given in {"own": text, **control}.items():
                rows += [(one.neuron, place, whose, sentence, is_top, given) for sentence, is_top in sentences]
    neuron, place_of, whose_of, sentence_of, top, given_of = zip(*rows, strict=True) if rows else [()] * 6
    score, verdict = judge.judge(list(zip(given_of, sentence_of, strict=True))) if rows else ([], [])
    columns = {
        "layer": [layer] * len(rows),
        "neuron": neuron,
        "place": place_of,
        "whose": whose_of,
        "sentence_id": sentence_of,
        "is_top": top,
        "judge": [judge.name] * len(rows),
        "score": score,
        "verdict": verdict,
    }
    schema = RELATIONS["explanation_judgements"].file_schema
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)
