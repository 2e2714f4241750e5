"""What pages ask about how frequent concepts are: one model, data set and source of frequencies (`frequencies`)."""

from __future__ import annotations

from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.warehouse import Warehouse

OF_SERIES = "model = $model and dataset = $dataset"
BY_STEP = "step nulls last, checkpoint"


def is_counted(source: str) -> bool:
    """Return whether a source's frequencies are numbers of sentences, which job `counts` has counted in a corpus."""
    return " in " in source


def rank_change_by_frequency(
    warehouse: Warehouse, model: str, dataset: str, source: str, operation: str, checkpoint: str
) -> Answer:
    """Return each concept's frequency and rank change on its own prompts at a checkpoint, contributing neurons."""
    return ask(
        warehouse,
        "select concept, frequency, coalesce(extreme, 'other') as extreme, rank_change, rank_before, rank_after "
        f"from rank_change inner join concept_frequency using (model, dataset, concept) where {OF_SERIES} "
        "and operation = $operation and checkpoint = $checkpoint and polarity = 'positive' "
        "and arm = 'contributing' and frequency is not null and frequency_source = $source order by frequency, concept",
        model=model,
        dataset=dataset,
        source=source,
        operation=operation,
        checkpoint=checkpoint,
    )


def rank_change_of_extremes(warehouse: Warehouse, model: str, dataset: str, source: str, operation: str) -> Answer:
    """Return the mean rank change of the ten most and the ten least frequent concepts by checkpoint and arm.

    low, high: its 95 % interval, by bootstrap over the concepts; null for few (see macro bootstrap_interval).
    """
    query = (
        "with means as (select checkpoint, step, extreme, arm, count(*) as n_concepts, avg(rank_change) as mean, "
        "list(rank_change order by concept) as of_concepts "
        f"from rank_change inner join concept_frequency using (model, dataset, concept) where {OF_SERIES} "
        "and operation = $operation and polarity = 'positive' and extreme is not null and frequency_source = $source "
        "group by checkpoint, step, extreme, arm), "
        "intervals as (select *, bootstrap_interval(bootstrap_means(of_concepts, 0), mean, n_concepts) as bounds "
        "from means) "
        "select checkpoint, extreme, arm, mean, bounds[1] as low, bounds[2] as high, n_concepts from intervals "
        f"order by {BY_STEP}, extreme, arm"
    )
    return ask(warehouse, query, model=model, dataset=dataset, source=source, operation=operation)


def acquisition_by_frequency(warehouse: Warehouse, model: str, dataset: str, source: str) -> Answer:
    """Return each concept's frequency and the checkpoint that first knows it (null: none does)."""
    query = (
        "select concept, frequency, coalesce(extreme, 'other') as extreme, checkpoint, median_rank "
        f"from acquisition inner join concept_frequency using (model, dataset, concept) where {OF_SERIES} "
        "and frequency is not null and frequency_source = $source and n_checkpoints > 0 order by frequency, concept"
    )
    return ask(warehouse, query, model=model, dataset=dataset, source=source)


def correlations(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return Spearman's correlations of frequency, by each source, with acquisition and with rank change."""
    query = (
        "select figure, frequency_source, checkpoint, n, correlation, p_value, q_value from frequency_correlation "
        f"where {OF_SERIES} order by figure desc, frequency_source, {BY_STEP}"
    )
    return ask(warehouse, query, model=model, dataset=dataset)
