"""What one line can say of a neuron, from stored rows alone: typical words, a class it detects, length, how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries import neurons, shared_patterns
from nwh.warehouse.queries.answers import OF_NEURON, Answer, ask
from nwh.warehouse.warehouse import Warehouse

_WORDS, _MAX_Q = 3, 0.05


@dataclass(frozen=True)
class Summary:
    """Facts of a neuron's top sentences over some corpora; each is empty or null where nothing is stored.

    words: rows of `typical_words`, of different words, the best detectors first (by the lower end of AUROC's interval;
    where it is unknown, the most telling): those of a template are telling, and may detect little. value: the first
    row of `metadata`, of MOST_VALUES, that is more frequent than in the corpus with a q of at most 0.05, and no worse
    than chance as what the neuron detects. lengths: rows
    of `mean_length` of the top. positive: share of all sentences with an activation above 0. classes: `neuron_classes`
    that it is of.
    """

    words: list[dict[str, Any]]
    value: dict[str, Any] | None
    lengths: list[dict[str, Any]]
    positive: float
    classes: list[str]


def summary(
    warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], asked: Callable[..., Any] = shared_patterns.directly
) -> Summary:
    """Return the facts; asked: how a page that keeps and times its answers asks (see `shared_patterns.parts`)."""
    annotator = shared_patterns.annotator_of(warehouse, corpora)
    words: list[dict[str, Any]] = []
    if annotator is not None:
        found = asked(warehouse, shared_patterns.typical_words, neuron, corpora, annotator, shared_patterns.MOST_ROWS)
        best: dict[str, dict[str, Any]] = {}
        for row in sorted(found.records, key=lambda row: -(row["auroc_low"] or 0)):
            best.setdefault(row["word"].lower(), row)
        words = list(best.values())[:_WORDS]
    values = asked(warehouse, neurons.metadata, neuron, corpora, neurons.MOST_VALUES).records
    lengths = asked(warehouse, shared_patterns.mean_length, neuron, corpora).records
    statistics = asked(warehouse, neurons.statistics, neuron, corpora).records
    n = sum(row["n"] for row in statistics)
    return Summary(
        words,
        next((row for row in values if row["lift"] > 1 and row["q_value"] <= _MAX_Q and _detected(row)), None),
        [row for row in lengths if row["pole"] == "top"],
        sum(row["n"] * row["share_positive"] for row in statistics) / n,
        list(dict.fromkeys(row["class"] for row in asked(warehouse, classes, neuron, corpora).records)),
    )


def _detected(row: dict[str, Any]) -> bool:
    """Return whether a neuron detects a value better than chance, where that is known."""
    return row["auroc_low"] is None or row["auroc_low"] > 0.5


def classes(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return the classes of a neuron (view neuron_classes) over scopes within some corpora, or by its weights."""
    query = (
        f"select class, evidence, scope, share from neuron_classes where {OF_NEURON} "
        "and (scope is null or list_has_all($corpora, string_split(scope, '+'))) order by all"
    )
    return ask(warehouse, query, neuron, corpora)


def provenance(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return how a neuron's activations were made, one row per corpus: the last run of each.

    Columns: corpus, aggregate (`mean`, `max`, `last` or `cls` of tokens), k (sentences kept per pole), started_at,
    dtype, device. No row where no run says.
    """
    return ask(
        warehouse,
        "select settings ->> 'corpus' as corpus, settings ->> 'aggregate' as aggregate, "
        "(settings ->> 'k')::integer as k, started_at, versions ->> 'dtype' as dtype, versions ->> 'device' as device "
        "from runs where job = 'activations' and settings ->> 'model' = $model "
        "and settings ->> 'checkpoint' = $checkpoint and list_contains($corpora, settings ->> 'corpus') "
        "and list_contains((settings -> 'sites')::varchar[], $site) "
        "qualify row_number() over (partition by settings ->> 'corpus' order by started_at desc) = 1 order by corpus",
        corpora=list(corpora),
        model=neuron.model,
        checkpoint=neuron.checkpoint,
        site=neuron.site,
    )
