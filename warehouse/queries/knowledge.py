"""What pages ask about prompts, knowledge neurons and interventions, each of one model and data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.queries.frequency import BY_STEP, OF_SERIES, is_counted
from nwh.warehouse.queries.neurons import Extent, extents
from nwh.warehouse.queries.shared_patterns import directly
from nwh.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Series:
    """The checkpoints of a model that a data set of prompts was run on.

    checkpoints: in order of steps, those without a step last. concepts: in order of the alphabet.
    operations: the interventions there are, at any checkpoint. sources: of the frequencies of concepts, those that came
    with the prompts first.
    """

    model: str
    dataset: str
    n_layers: int
    n_neurons: int
    checkpoints: tuple[str, ...]
    concepts: tuple[str, ...]
    operations: tuple[str, ...]
    sources: tuple[str, ...] = ()


def all_series(warehouse: Warehouse) -> list[Series]:
    """Return what models and data sets have scores of prompts."""
    found = ask(
        warehouse,
        "with ran as (select distinct model, dataset, checkpoint from concept_scores), "
        "labels as (select model, dataset, max(n_layers) as n_layers, max(d_ffn) as d_ffn, "
        f"list(checkpoint order by {BY_STEP}) as checkpoints "
        "from ran inner join checkpoints using (model, checkpoint) group by model, dataset), "
        "names as (select model, dataset, list(distinct concept) as concepts from concept_scores group by all), "
        "changed as (select model, dataset, list(distinct operation) as operations from interventions group by all), "
        "sourced as (select dataset, list(distinct frequency_source) as sources from frequencies "
        "where frequency is not null group by dataset) "
        "select model, dataset, n_layers, d_ffn, checkpoints, list_sort(concepts), "
        "list_reverse_sort(coalesce(operations, [])), coalesce(sources, []) "
        "from labels inner join names using (model, dataset) left join changed using (model, dataset) "
        "left join sourced using (dataset) order by all",
    )
    return [
        Series(*row[:4], *map(tuple, (*row[4:-1], sorted(row[-1], key=lambda source: (is_counted(source), source)))))
        for row in found.rows
    ]


def extents_with_prompts(warehouse: Warehouse, asked: Callable[..., Any] = directly) -> list[Extent]:
    """Return all extents, and those of checkpoints that were asked prompts and run over no corpus: their site `ffn`.

    These have no corpora: what is stored of them is which concepts their neurons contribute to. Models in order.
    asked: how a page that keeps and times its answers asks.
    """
    known = list(asked(warehouse, extents))
    there = {(each.model, each.checkpoint, each.site) for each in known}
    for series in asked(warehouse, all_series):
        for checkpoint in series.checkpoints:
            if (place := (series.model, checkpoint, "ffn")) not in there:
                there.add(place)
                known.append(Extent(*place, series.n_layers, series.n_neurons, ()))
    return sorted(known, key=lambda each: each.model)


def best_known(warehouse: Warehouse, model: str, dataset: str, checkpoint: str) -> Answer:
    """Return the concept whose prompts a checkpoint answers best, by the median rank of the answer."""
    query = (
        "select concept, median(rank) as rank from prompt_scores inner join prompts using (dataset, prompt_id) "
        f"where {OF_SERIES} and checkpoint = $checkpoint group by concept "
        "order by rank, avg(probability) desc, concept limit 1"
    )
    return ask(warehouse, query, model=model, dataset=dataset, checkpoint=checkpoint)


# -- one concept -------------------------------------------------------------------------------------------


def prompt_scores(warehouse: Warehouse, model: str, dataset: str, concept: str) -> Answer:
    """Return probability and rank of each of a concept's prompts (numbered from 1) at each checkpoint."""
    query = (
        "select dense_rank() over (order by prompt_id) as prompt, text, answer, checkpoint, probability, rank "
        "from prompt_scores inner join prompts using (dataset, prompt_id) left join checkpoints "
        f"using (model, checkpoint) where {OF_SERIES} and concept = $concept order by {BY_STEP}, prompt"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept)


def neurons(
    warehouse: Warehouse, model: str, dataset: str, concept: str, checkpoint: str, t: float, p: float
) -> Answer:
    """Return a concept's contributing neurons at a checkpoint, highest attribution first."""
    query = (
        "select layer, neuron, attribution, share, n_selected, n_prompts from knowledge_neurons_at($t, $p) "
        f"where {OF_SERIES} and checkpoint = $checkpoint and concept = $concept "
        "order by attribution desc, layer, neuron"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept, checkpoint=checkpoint, t=t, p=p)


def concepts_of(warehouse: Warehouse, neuron: Neuron) -> Answer:
    """Return the concepts that a neuron of site `ffn` contributes to, at every checkpoint of its model.

    One row per data set, concept and checkpoint, checkpoints by step (those without one last). No row for `hidden`.
    """
    columns = ["dataset", "concept", "checkpoint", "attribution", "share", "n_selected", "n_prompts"]
    if neuron.site != "ffn":
        return Answer(columns, [])
    place = {"model": neuron.model, "layer": neuron.layer, "neuron": neuron.neuron}
    # Named one by one, concepts reach the files: the selection then reads the prompts of these alone.
    near = ask(
        warehouse,
        "select distinct concept from attributions "
        "where model = $model and layer = $layer and neuron = $neuron and attribution > 0",
        **place,
    ).rows
    if not near:
        return Answer(columns, [])
    query = (
        f"select {', '.join(columns)} from knowledge_neurons left join checkpoints using (model, checkpoint) "
        "where model = $model and list_contains($concepts, concept) and layer = $layer and neuron = $neuron "
        "order by step nulls last, checkpoint, attribution desc, dataset, concept"
    )
    return ask(warehouse, query, **place, concepts=[concept for (concept,) in near])


def interventions(warehouse: Warehouse, model: str, dataset: str, concept: str, checkpoint: str) -> Answer:
    """Return what changing a concept's neurons did at a checkpoint: one row per operation, polarity and arm."""
    query = (
        "select operation, polarity, arm, n_neurons, n_prompts, n_null, p_before, p_after, relative_change, "
        "rank_before, rank_after, rank_change from relative_change inner join rank_change using (model, checkpoint, "
        "dataset, concept, operation, polarity, arm, n_neurons, n_prompts) "
        f"where {OF_SERIES} and checkpoint = $checkpoint and concept = $concept "
        "order by operation desc, polarity desc, arm"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept, checkpoint=checkpoint)


# -- formation over training: one row per checkpoint and what is named ------------------------------------


def relative_change(warehouse: Warehouse, model: str, dataset: str, operation: str) -> Answer:
    """Return the distribution over concepts of the relative change by checkpoint, polarity and arm."""
    query = (
        "select checkpoint, polarity, arm, n_concepts, n_null, n_null_prompts, mean, q05, q25, median, q75, q95 "
        f"from relative_change_distribution where {OF_SERIES} and operation = $operation and n_concepts > 0 "
        f"order by {BY_STEP}, polarity, arm"
    )
    return ask(warehouse, query, model=model, dataset=dataset, operation=operation)


def neurons_per_concept(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the number of contributing neurons per concept by checkpoint: mean and quartiles over concepts."""
    query = (
        "select checkpoint, avg(n_neurons) as mean, quantile_cont(n_neurons, 0.25) as q25, "
        "quantile_cont(n_neurons, 0.75) as q75, count(*) as n_concepts "
        f"from knowledge_neurons_per_concept where {OF_SERIES} group by checkpoint, step order by {BY_STEP}"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def layers(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return how many contributing neurons each layer has per concept, by checkpoint."""
    query = (
        f"select checkpoint, layer, per_concept, share, n_neurons from knowledge_neuron_layers where {OF_SERIES} "
        f"order by {BY_STEP}, layer"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def attributions(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the mean attribution of each layer's contributing neurons, by checkpoint."""
    query = (
        f"select checkpoint, layer, mean, median, n_contributions from attribution_by_layer where {OF_SERIES} "
        f"order by {BY_STEP}, layer"
    )
    return ask(warehouse, query, model=model, dataset=dataset)


def sharing(warehouse: Warehouse, model: str, dataset: str, checkpoint: str) -> Answer:
    """Return how many neurons contribute to 1, 2, 3 … concepts at a checkpoint."""
    query = (
        f"select n_concepts, count(*) as n_neurons from concepts_per_neuron where {OF_SERIES} "
        "and checkpoint = $checkpoint group by n_concepts order by n_concepts"
    )
    return ask(warehouse, query, model=model, dataset=dataset, checkpoint=checkpoint)


def shared_neurons(warehouse: Warehouse, model: str, dataset: str, checkpoint: str, limit: int) -> Answer:
    """Return the neurons that contribute to most concepts at a checkpoint, with these concepts."""
    query = (
        f"select layer, neuron, n_concepts, concepts from concepts_per_neuron where {OF_SERIES} "
        "and checkpoint = $checkpoint and n_concepts > 1 order by n_concepts desc, layer, neuron limit $limit"
    )
    return ask(warehouse, query, model=model, dataset=dataset, checkpoint=checkpoint, limit=limit)


def stability(warehouse: Warehouse, model: str, dataset: str, concept: str) -> Answer:
    """Return the share of the last checkpoint's neurons found at each checkpoint: one concept, and the mean of all."""
    query = (
        "select checkpoint, reference_checkpoint, avg(share_found) as mean_found, avg(jaccard) as mean_jaccard, "
        "max(share_found) filter (where concept = $concept) as found, "
        "max(jaccard) filter (where concept = $concept) as jaccard "
        f"from knowledge_neuron_stability where {OF_SERIES} group by checkpoint, step, reference_checkpoint "
        f"order by {BY_STEP}"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept)


def history(warehouse: Warehouse, model: str, dataset: str, concept: str) -> Answer:
    """Return at which checkpoints each of a concept's neurons of the last checkpoint contributes."""
    query = (
        "with wanted as (select model, dataset, concept, layer, neuron, first_checkpoint, persistence "
        f"from knowledge_neuron_persistence where {OF_SERIES} and concept = $concept) "
        "select layer || '/' || neuron as place, checkpoint, knowledge_neurons.attribution, first_checkpoint, "
        "persistence from knowledge_neurons inner join wanted using (model, dataset, concept, layer, neuron) "
        f"where {OF_SERIES} and concept = $concept order by layer, neuron, checkpoint"
    )
    return ask(warehouse, query, model=model, dataset=dataset, concept=concept)


def overlap(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the mean Jaccard index of every pair of checkpoints, the earlier one first."""
    query = (
        f"select checkpoint_a, checkpoint_b, jaccard, n_concepts from checkpoint_overlap where {OF_SERIES} "
        "and jaccard is not null order by step_a nulls last, checkpoint_a, step_b nulls last, checkpoint_b"
    )
    return ask(warehouse, query, model=model, dataset=dataset)
