-- Where the contributing neurons are: how many each layer has. A neuron counts once for each concept it contributes to.
-- grain: layer, layers without any included, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, layer
-- n_concepts: concepts that ran
-- n_contributions: pairs of a concept and a contributing neuron of the layer
-- n_neurons: neurons of the layer that contribute to any concept
-- per_concept: n_contributions / n_concepts
-- share: the layer's share of the pairs of all layers, null where there are none
create view knowledge_neuron_layers as
with layers as (
    select
        model,
        checkpoint,
        step,
        unnest(range(n_layers)) as layer
    from checkpoints
),

ran as (
    select
        model,
        checkpoint,
        dataset,
        count(*) as n_concepts
    from concept_scores
    group by model, checkpoint, dataset
),

counts as (
    select
        model,
        checkpoint,
        dataset,
        layer,
        count(*) as n_contributions,
        count(distinct neuron) as n_neurons
    from knowledge_neurons
    group by model, checkpoint, dataset, layer
)

select
    ran.model,
    ran.checkpoint,
    layers.step,
    ran.dataset,
    layers.layer,
    ran.n_concepts,
    coalesce(counts.n_contributions, 0) as n_contributions,
    coalesce(counts.n_neurons, 0) as n_neurons,
    coalesce(counts.n_contributions, 0) / ran.n_concepts as per_concept,
    coalesce(counts.n_contributions, 0) / sum(counts.n_contributions) over (
        partition by ran.model, ran.checkpoint, ran.dataset
    ) as share
from ran
inner join layers using (model, checkpoint)
left join counts using (model, checkpoint, dataset, layer);
