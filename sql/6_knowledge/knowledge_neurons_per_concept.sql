-- How many contributing neurons each concept has, 0 included. Their mean at a checkpoint is
-- `select model, checkpoint, dataset, avg(n_neurons) from knowledge_neurons_per_concept group by all`.
-- grain: concept that ran, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, concept, n_prompts
-- n_neurons: contributing neurons (view knowledge_neurons)
create view knowledge_neurons_per_concept as
with counts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_neurons
    from knowledge_neurons
    group by model, checkpoint, dataset, concept
)

select
    scores.model,
    scores.checkpoint,
    scores.step,
    scores.dataset,
    scores.concept,
    scores.n_prompts,
    coalesce(counts.n_neurons, 0) as n_neurons
from concept_scores as scores
left join counts using (model, checkpoint, dataset, concept);
