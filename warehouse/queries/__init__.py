"""What pages and commands ask, each with the statement that nwh sql takes."""

from nwh.warehouse.queries import (
    answers,
    closed_patterns,
    home,
    knowledge,
    layers,
    neuron_description,
    neurons,
    pairs,
    previews,
    report,
    samples,
    search,
    searched,
    separation,
    shared_patterns,
    summary,
)

__all__ = [
    "answers",
    "closed_patterns",
    "home",
    "knowledge",
    "layers",
    "neuron_description",
    "neurons",
    "pairs",
    "previews",
    "report",
    "samples",
    "search",
    "searched",
    "separation",
    "shared_patterns",
    "summary",
]
