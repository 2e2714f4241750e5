"""What profiles can be made of, and where they are missing or stale: without anything heavy, for `nwh status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nwh.warehouse import Warehouse
from nwh.warehouse.storage.provenance import partition_of, run_of
from nwh.warehouse.storage.runs import Unit, unit_name

_VERSION = 3
"""Of the definitions: profiles of an earlier one are made anew."""


def missing_profiles(warehouse: Warehouse) -> list[tuple[Unit, dict[str, Any]]]:
    """Return those of `possible_profiles` that are not stored, or were made of what has been replaced since."""
    found = possible_profiles(warehouse)
    return [each for each in found if not warehouse.units.is_current("profiles", *each)]


def possible_profiles(warehouse: Warehouse) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Yield each unit that profiles can be made of, with the settings that they have where they are current."""
    texts = dict(warehouse.sql("select corpus, settings ->> 'text_sha256' from corpora").fetchall())
    annotations = sorted(_runs_of(warehouse, "annotations"), key=lambda found: found[0]["annotator"])
    for unit, activations in sorted(_runs_of(warehouse, "neuron_topk"), key=lambda found: unit_name(found[0])):
        corpus = unit["corpus"]
        described = {**unit, "version": _VERSION, "text_sha256": texts.get(corpus), "sources": [activations]}
        yield unit, described
        for of, annotated in annotations:
            if of["corpus"] == corpus:
                of_annotator = {**unit, "annotator": of["annotator"]}
                yield of_annotator, {**described, **of_annotator, "sources": [activations, annotated]}


def _runs_of(warehouse: Warehouse, relation: str) -> list[tuple[Unit, str]]:
    """Return the partitions of a relation, each with the run that stored it, which its files are named after."""
    found = {}
    for uri in warehouse.snapshot.get(relation, []):
        unit = partition_of(relation, uri)
        found[unit_name(unit)] = (unit, run_of(uri))
    return list(found.values())
