"""One neuron: its name, and what the warehouse knows about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from warehouse import output
from warehouse.errors import UsageError
from warehouse.names import short_name
from warehouse.warehouse import Warehouse

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
    """What is known about a neuron, as named tables: (title, columns, rows)."""

    neuron: Neuron
    tables: list[tuple[str, list[str], list[tuple[Any, ...]]]]

    def write(self, format: output.Format, stream: BinaryIO) -> None:
        """Write for reading, or as one JSON object; UsageError for a format that holds one table only."""
        import json

        if format in (output.Format.json, output.Format.jsonl):
            content = {
                title: [dict(zip(columns, map(output.plain, row), strict=True)) for row in rows]
                for title, columns, rows in self.tables
            }
            text = json.dumps({"neuron": str(self.neuron), **content}, ensure_ascii=False)
            stream.write(f"{text}\n".encode())
            return
        if format is not output.Format.table:
            raise UsageError(f"a neuron is several tables: --format {format.value} holds one; use table or json")
        for title, columns, rows in self.tables:
            stream.write(f"\n{title} of {self.neuron}\n".encode())
            output.write_rows(columns, rows, format, stream)


def describe(warehouse: Warehouse, neuron: Neuron, corpora: list[str], k: int) -> Description:
    """Return a neuron's statistics, its k top and bottom sentences, and the metadata its top sentences share.

    `corpora` may be empty: all that the neuron was run over. UsageError for a neuron that is not stored.
    """
    chosen = "and ($corpora = [] or corpus in $corpora)"
    place = "model = $model and checkpoint = $checkpoint and site = $site and layer = $layer and neuron = $neuron"
    params: dict[str, Any] = {**neuron.params, "corpora": corpora}
    questions = {
        "statistics": (
            "select corpus, n, mean, std, min, max, skewness, kurtosis, share_positive, "
            f"quantiles[4] as median from neuron_stats where {place} {chosen} order by corpus",
            params,
        ),
        **{
            f"{pole} sentences": (
                "select row_number() over (order by activation * $sign desc, sentence_id) as place, activation, "
                f"corpus, sentence_id, text from neuron_sentences where {place} {chosen} and pole = '{pole}' "
                "and rank <= $k order by place limit $k",
                {**params, "k": k, "sign": 1 if pole == "top" else -1},
            )
            for pole in ("top", "bottom")
        },
        "metadata": (
            "select key, value, support, share, corpus_share, lift, g2, q_value from neuron_metadata "
            f"where {place} and pole = 'top' {chosen} and lift > 1 and q_value <= 0.05 order by g2 desc limit $k",
            {**params, "k": k},
        ),
    }
    tables = []
    for title, (query, values) in questions.items():
        result = warehouse.connection.execute(query, values)
        tables.append((title, output.columns(result), result.fetchall()))
    if not tables[0][2]:
        models = "select string_agg(distinct model || '@' || checkpoint, ', ') from neuron_stats"
        known = warehouse.sql(models).fetchall()[0][0]
        raise UsageError(f"no neuron {neuron} in {warehouse.storage}; models with activations: {known or 'none'}")
    return Description(neuron, tables)
