"""What pages ask about how knowledge forms over training, with intervals: one model and data set."""

from __future__ import annotations

from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.queries.frequency import BY_STEP, OF_SERIES
from nwh.warehouse.warehouse import Warehouse


def rules(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the rules that neurons are taken by, each with its checkpoints; not to be compared where there are two."""
    query = (
        f"select rule, list(checkpoint order by {BY_STEP}) as checkpoints from chosen_rules "
        f"inner join checkpoints using (model, checkpoint) where {OF_SERIES} group by rule order by rule"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def curves(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return each figure's mean over concepts by checkpoint, with its interval; but for overlaps."""
    query = (
        "select figure, coalesce(operation, 'none') as operation, checkpoint, n_concepts, mean, low, high "
        f"from training_curves where {OF_SERIES} and not starts_with(figure, 'overlap') "
        f"order by figure, operation desc, {BY_STEP}"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def overlaps(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the overlap of the sets of two prompts by checkpoint, of one concept and of different ones."""
    query = (
        "select checkpoint, case figure when 'overlap of one concept''s prompts' then 'one concept' "
        "else 'different concepts' end as prompts, n_concepts, mean, low, high from training_curves "
        f"where {OF_SERIES} and starts_with(figure, 'overlap') order by {BY_STEP}, prompts desc"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def effect_of_concept(warehouse: Warehouse, model: str, dataset: str, concept: str) -> Answer:
    """Return the specific effect of a concept's neurons by checkpoint and operation, with its interval."""
    query = (
        "select checkpoint, operation, n_neurons, n_own, n_others, own_change, others_change, specific_effect, low, "
        f"high from specific_effect where {OF_SERIES} and concept = $concept and specific_effect is not null "
        f"order by {BY_STEP}, operation desc"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept)


def forming(warehouse: Warehouse, model: str, dataset: str, operation: str) -> Answer:
    """Return from which step each concept is known and its neurons matter, those known last first."""
    query = (
        "select concept, last_probability, last_rank, last_effect, known_step, matters_step, lead, correlation, "
        f"p_value, n_effects from formation where {OF_SERIES} and operation = $operation "
        "order by last_rank, last_probability desc, concept"
    )
    return ask(warehouse, query, model=model, dataset=dataset, operation=operation)


def together(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return by operation whether knowledge and the effect of neurons form together, over the concepts learned."""
    query = (
        "select operation, n_concepts, n_matter, n_correlations, correlation, low, high, median_lead, share_before, "
        f"share_together, share_after from formation_distribution where {OF_SERIES} order by operation desc"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def consistency(warehouse: Warehouse, model: str, dataset: str, checkpoint: str) -> Answer:
    """Return how far each concept's prompts agree at a checkpoint, and what the thresholds hide of it."""
    query = (
        "select concept, n_prompts, n_facts, n_neurons, best_share, n_hidden, overlap, same_fact, other_facts, chance "
        "from consistency inner join hidden_knowledge using (model, checkpoint, dataset, concept, n_prompts) "
        f"where {OF_SERIES} and checkpoint = $checkpoint order by n_neurons > 0, overlap / chance nulls last, concept"
    )
    return ask(warehouse, query, model=model, dataset=dataset, checkpoint=checkpoint)


def faithfulness(warehouse: Warehouse, model: str, dataset: str, checkpoint: str) -> Answer:
    """Return how much of the answers' probability growing sets of neurons carry, by rule, arm, and kept or removed."""
    query = (
        "select rule, selection, arm, kept, share, n_neurons, n_prompts, probability, faithfulness, low, high "
        f"from faithfulness_curves where {OF_SERIES} and checkpoint = $checkpoint "
        "order by rule, selection desc, arm, kept desc, share"
    )
    return ask(warehouse, query, model=model, dataset=dataset, checkpoint=checkpoint)


def faithfulness_areas(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return CPR and CMD of each rule and of random sets at each checkpoint."""
    query = (
        "select checkpoint, rule, arm, n_prompts, cpr, cmd, cpr_log, cmd_log from faithfulness_areas "
        f"where {OF_SERIES} order by {BY_STEP}, arm, cpr_log desc, rule"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def side_effects(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return what suppressing concepts' neurons, and as many random ones, does to neutral text, by checkpoint."""
    query = (
        "select checkpoint, corpus, rule, arm, n_concepts, n_neurons, n_sentences, kl, kl_low, kl_high, loss_before, "
        f"loss_change, loss_low, loss_high from side_effect_distribution where {OF_SERIES} "
        f"order by {BY_STEP}, corpus, arm"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def side_effects_of_concept(warehouse: Warehouse, model: str, dataset: str, concept: str, checkpoint: str) -> Answer:
    """Return what suppressing a concept's neurons, and as many random ones, does to neutral text."""
    query = (
        "select corpus, rule, arm, n_neurons, n_sentences, kl, loss_before, loss_after from side_effects "
        f"where {OF_SERIES} and concept = $concept and checkpoint = $checkpoint order by corpus, arm"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept, checkpoint=checkpoint)


def seeds(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return how far the runs of the model's series differ that differ by their seed; no row for a series of one."""
    columns = ["figure", "operation", "step", "n_seeds", "mean", "std", "lowest", "highest"]
    of_series = "series = (select any_value(series) from checkpoints where model = $model)"
    several = f"select count(distinct seed) > 1 from checkpoints where {of_series}"
    if not ask(warehouse, several, model=model).rows[0][0]:  # asked first, since the view is of every series
        return Answer(columns, [])
    query = (
        "select figure, coalesce(operation, 'none') as operation, step, n_seeds, mean, std, lowest, highest "
        f"from seed_spread where {of_series} "
        "and dataset = $dataset and n_seeds > 1 and not starts_with(figure, 'overlap') "
        "order by figure, operation desc, step"
    )
    return ask(warehouse, query, model=model, dataset=dataset)
