"""The figures of the views training_curves and seed_spread, one after the other, with titles and units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nwh.warehouse.queries.answers import Answer

OVERLAP = "Overlap of the neurons that two prompts select"


@dataclass(frozen=True)
class Figure:
    """A figure of training_curves and its unit; operation: `none` of figures of the untouched model."""

    name: str
    unit: str
    operation: str = "none"

    @property
    def title(self) -> str:
        """The name as a title."""
        name = self.name[0].upper() + self.name[1:]
        return name if self.operation == "none" else f"{name} under {self.operation}"


def figures(found: Answer) -> Iterator[tuple[Figure, Answer]]:
    """Yield the figures that an answer (of curves, of seeds) has rows of, with these."""
    units = {
        "probability": "probability of the answers",
        "specific effect": "percentage points",
        "neurons per concept": "neurons",
        "share of the last checkpoint's neurons found": "share",
    }
    there = dict.fromkeys((row["figure"], row["operation"]) for row in found.records)
    for name, operation in sorted(there, key=lambda each: list(units).index(each[0])):
        yield Figure(name, units[name], operation), found.part("figure", name).part("operation", operation)
