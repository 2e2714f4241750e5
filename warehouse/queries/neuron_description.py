"""What the warehouse knows about one neuron."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from nwh.warehouse import output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries import knowledge, neurons, samples
from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.queries.shared_patterns import tables
from nwh.warehouse.warehouse import Warehouse


def write(neuron: Neuron, answers: dict[str, Answer], format: output.Format, stream: BinaryIO) -> None:
    """Write tables of a neuron for reading, or as one JSON object; UsageError for formats of one table."""
    if format in (output.Format.json, output.Format.jsonl):
        content = {title: output.plain(answer.records) for title, answer in answers.items()}
        text = json.dumps({"neuron": str(neuron), **content}, ensure_ascii=False)
        stream.write(f"{text}\n".encode())
        return
    if format is not output.Format.table:
        raise UsageError(f"a neuron is several tables: --format {format.value} holds one; use table or json")
    for title, answer in answers.items():
        stream.write(f"\n{title} of {neuron}\n".encode())
        output.write_rows(answer.columns, answer.rows, format, stream)


def as_json(neuron: Neuron, answers: dict[str, Answer]) -> dict[str, Any]:
    """Return the neuron's place and each table as a list of objects, as JSON knows them."""
    place = {"name": str(neuron), **neuron.params}
    return {"neuron": place, **{title: output.plain(answer.records) for title, answer in answers.items()}}


def whole(warehouse: Warehouse, neuron: Neuron, corpora: list[str], k: int) -> dict[str, Answer]:
    """Return all that the page of a neuron shows without running its model, as named tables.

    corpora: those it was run over where empty. k: rows of sentences, similar neurons, words and patterns; metadata and
    what else has no natural length is whole. UsageError for a neuron or corpus that is not stored.
    """
    found = describe(warehouse, neuron, corpora, k)
    over = corpora or list(neurons.extent_of(warehouse, neuron).corpora)
    asked = {
        "checkpoint": ask(
            warehouse,
            "from checkpoints where model = $model and checkpoint = $checkpoint",
            model=neuron.model,
            checkpoint=neuron.checkpoint,
        ),
        "histogram": neurons.histogram(warehouse, neuron, over),
        "explanations": neurons.explanations(warehouse, neuron),
        "sentences by quantile": samples.by_quantile(warehouse, neuron, over, k),
        "similar neurons": samples.similar(warehouse, neuron, over, k, neuron.site),
        "weights": neurons.weights(warehouse, neuron),
        "concepts": knowledge.concepts_of(warehouse, neuron),
    }
    return {**found, **{title: answer for title, answer in asked.items() if answer.rows}}


def describe(warehouse: Warehouse, neuron: Neuron, corpora: list[str], k: int) -> dict[str, Answer]:
    """Return a neuron's statistics, its k top and bottom sentences, and what its top sentences share (table 2).

    `corpora` may be empty: all that the neuron was run over. UsageError for a neuron or corpus that is not stored.
    """
    if k < 0:
        raise UsageError(f"k must be at least 0, not {k}")
    extent = neurons.extent_of(warehouse, neuron)
    extent.check(neuron, corpora)
    chosen = corpora or extent.corpora
    return {
        "statistics": neurons.statistics(warehouse, neuron, chosen),
        "top sentences": neurons.sentences(warehouse, neuron, chosen, "top", k),
        "bottom sentences": neurons.sentences(warehouse, neuron, chosen, "bottom", k),
        "metadata": neurons.metadata(warehouse, neuron, chosen, k, min_lift=1, max_q=0.05),
        **tables(warehouse, neuron, chosen, k),
        **({"explanations": found} if (found := neurons.explanations(warehouse, neuron)).rows else {}),
    }
