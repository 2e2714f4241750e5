"""One neuron: its name, and what the warehouse knows about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from nwh.warehouse import output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import short_name
from nwh.warehouse.queries import neuron_queries
from nwh.warehouse.queries.neuron_queries import Answer
from nwh.warehouse.queries.table2 import table2
from nwh.warehouse.warehouse import Warehouse

_NAME = re.compile(r"(?P<model>.+?)(?:@(?P<checkpoint>[^/@]+))?/(?P<site>hidden|ffn)/(?P<layer>\d+)/(?P<neuron>\d+)")


@dataclass(frozen=True)
class Neuron:
    """A neuron's place: layer and neuron from 0."""

    model: str
    checkpoint: str
    site: str
    layer: int
    neuron: int

    def __str__(self) -> str:
        """Return MODEL@CHECKPOINT/SITE/LAYER/NEURON."""
        return f"{self.model}@{self.checkpoint}/{self.site}/{self.layer}/{self.neuron}"

    @property
    def params(self) -> dict[str, Any]:
        """The place as named SQL parameters."""
        return dict(vars(self))


def parse_neuron(name: str) -> Neuron:
    """Read MODEL[@CHECKPOINT]/SITE/LAYER/NEURON; UsageError where it is not of that form."""
    found = _NAME.fullmatch(name)
    if not found:
        raise UsageError(f"{name!r} does not name a neuron: write MODEL[@CHECKPOINT]/SITE/LAYER/NEURON")
    return Neuron(
        short_name(found["model"]),
        found["checkpoint"] or "main",
        found["site"],
        int(found["layer"]),
        int(found["neuron"]),
    )


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
    extent = neuron_queries.extent_of(warehouse, neuron)
    extent.check(neuron, corpora)
    chosen = corpora or extent.corpora
    return Description(
        neuron,
        {
            "statistics": neuron_queries.statistics(warehouse, neuron, chosen),
            "top sentences": neuron_queries.sentences(warehouse, neuron, chosen, "top", k),
            "bottom sentences": neuron_queries.sentences(warehouse, neuron, chosen, "bottom", k),
            "metadata": neuron_queries.metadata(warehouse, neuron, chosen, k, min_lift=1, max_q=0.05),
            **table2(warehouse, neuron, chosen, k),
        },
    )
