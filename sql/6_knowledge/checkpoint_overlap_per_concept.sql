-- How alike a concept's contributing neurons are at two checkpoints.
-- grain: concept that ran at both x pair of checkpoints, per model and dataset
-- columns: model, dataset, checkpoint_a, step_a, checkpoint_b, step_b, concept
-- n_a: the concept's contributing neurons at the earlier checkpoint
-- n_b: those at the later one
-- columns: n_shared
-- jaccard: n_shared / neurons that are either, null where there are none
create view checkpoint_overlap_per_concept as
with neurons as (
    from knowledge_neurons
),

counts as (
    select
        scores.model,
        scores.checkpoint,
        scores.step,
        scores.dataset,
        scores.concept,
        count(neurons.neuron) as n_neurons
    from concept_scores as scores
    left join neurons using (model, checkpoint, dataset, concept)
    group by scores.model, scores.checkpoint, scores.step, scores.dataset, scores.concept
),

shared as (
    select
        a.model,
        a.dataset,
        a.concept,
        a.checkpoint as checkpoint_a,
        b.checkpoint as checkpoint_b,
        count(*) as n_shared
    from neurons as a
    inner join neurons as b using (model, dataset, concept, layer, neuron)
    where a.checkpoint != b.checkpoint
    group by a.model, a.dataset, a.concept, a.checkpoint, b.checkpoint
),

pairs as (
    select
        a.model,
        a.dataset,
        a.checkpoint as checkpoint_a,
        a.step as step_a,
        b.checkpoint as checkpoint_b,
        b.step as step_b,
        a.concept,
        a.n_neurons as n_a,
        b.n_neurons as n_b,
        coalesce(shared.n_shared, 0) as n_shared
    from counts as a
    inner join counts as b using (model, dataset, concept)
    left join shared
        on
            a.model = shared.model
            and a.dataset = shared.dataset
            and a.concept = shared.concept
            and a.checkpoint = shared.checkpoint_a
            and b.checkpoint = shared.checkpoint_b
    where (a.step is null, coalesce(a.step, 0), a.checkpoint) < (b.step is null, coalesce(b.step, 0), b.checkpoint)
)

select
    pairs.*,
    n_shared / nullif(n_a + n_b - n_shared, 0) as jaccard
from pairs;
