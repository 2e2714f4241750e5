"""What pages and commands ask, each with the statement that nwh sql takes."""

from nwh.warehouse.queries import (  # noqa: F401  (queries.neurons, queries.search, …)
    answers,
    any_word,
    closed_patterns,
    formation,
    frequency,
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
    shared_patterns,
    summary,
)
