"""What pages and commands ask, each with the statement that nwh sql takes."""

from nwh.warehouse.queries import (
    answers,
    formation,
    home,
    knowledge,
    layers,
    neuron_description,
    neurons,
    pairs,
    report,
    samples,
    search,
    shared_patterns,
)

__all__ = [
    "answers",
    "formation",
    "home",
    "knowledge",
    "layers",
    "neuron_description",
    "neurons",
    "pairs",
    "report",
    "samples",
    "search",
    "shared_patterns",
]
