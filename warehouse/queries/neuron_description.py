"""What the warehouse knows about one neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from nwh.warehouse import output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries import neurons
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.shared_patterns import tables
from nwh.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Description:
    """What is known about a neuron, as named tables."""

    neuron: Neuron
    tables: dict[str, Answer]

    def write(self, format: output.Format, stream: BinaryIO) -> None:
        """Write for reading, or as one JSON object; UsageError for a format that holds one table only."""
        import json

        if format in (output.Format.json, output.Format.jsonl):
            content = {title: output.plain(answer.records) for title, answer in self.tables.items()}
            text = json.dumps({"neuron": str(self.neuron), **content}, ensure_ascii=False)
            stream.write(f"{text}\n".encode())
            return
        if format is not output.Format.table:
            raise UsageError(f"a neuron is several tables: --format {format.value} holds one; use table or json")
        for title, answer in self.tables.items():
            stream.write(f"\n{title} of {self.neuron}\n".encode())
            output.write_rows(answer.columns, answer.rows, format, stream)


def describe(warehouse: Warehouse, neuron: Neuron, corpora: list[str], k: int) -> Description:
    """Return a neuron's statistics, its k top and bottom sentences, and what its top sentences share (table 2).

    `corpora` may be empty: all that the neuron was run over. UsageError for a neuron or corpus that is not stored.
    """
    extent = neurons.extent_of(warehouse, neuron)
    extent.check(neuron, corpora)
    chosen = corpora or extent.corpora
    return Description(
        neuron,
        {
            "statistics": neurons.statistics(warehouse, neuron, chosen),
            "top sentences": neurons.sentences(warehouse, neuron, chosen, "top", k),
            "bottom sentences": neurons.sentences(warehouse, neuron, chosen, "bottom", k),
            "metadata": neurons.metadata(warehouse, neuron, chosen, k, min_lift=1, max_q=0.05),
            **tables(warehouse, neuron, chosen, k),
            **({"explanations": found} if (found := neurons.explanations(warehouse, neuron)).rows else {}),
        },
    )
