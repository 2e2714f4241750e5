"""What profiles can be made of, and where they are missing or stale: without anything heavy, for `nwh status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nwh.ingest.stored import source_run
from nwh.warehouse import Warehouse
from nwh.warehouse.runs import Unit

_VERSION = 1
"""Of the definitions: profiles of an earlier one are made anew."""


def missing_profiles(warehouse: Warehouse) -> list[tuple[Unit, dict[str, Any]]]:
    """Return those of `possible_profiles` that are not stored, or were made of what has been replaced since."""
    return [
        (unit, described)
        for unit, described in possible_profiles(warehouse)
        if warehouse.latest_settings("profiles", unit) != described
    ]


def possible_profiles(warehouse: Warehouse) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Yield each unit that profiles can be made of, with the settings that they have where they are current."""
    stored = sorted(tuple(unit.values()) for unit in warehouse.partitions("neuron_topk", {}))
    annotators: dict[str, list[str]] = {}
    for of in warehouse.partitions("annotations", {}):
        annotators.setdefault(of["corpus"], []).append(of["annotator"])
    texts = dict(warehouse.sql("select corpus, settings ->> 'text_sha256' from corpora").fetchall())
    for model, checkpoint, site, corpus in stored:
        unit = {"model": model, "checkpoint": checkpoint, "site": site, "corpus": corpus}
        of_model = {"model": model, "checkpoint": checkpoint, "corpus": corpus}
        activations = source_run(warehouse, "activations", of_model, site)
        described = {**unit, "version": _VERSION, "text_sha256": texts.get(corpus), "sources": [activations]}
        yield unit, described
        for annotator in sorted(annotators.get(corpus, [])):
            annotations = source_run(warehouse, "annotations", {"corpus": corpus, "annotator": annotator}, site)
            of_annotator = {**unit, "annotator": annotator}
            yield of_annotator, {**described, **of_annotator, "sources": [activations, annotations]}
