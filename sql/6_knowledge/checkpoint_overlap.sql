-- How alike the contributing neurons are at two checkpoints, over concepts.
-- grain: pair of checkpoints, per model and dataset
-- columns: model, dataset, checkpoint_a, step_a, checkpoint_b, step_b
-- n_concepts: concepts that ran at both and have a contributing neuron at one of them
-- jaccard: mean over these concepts of shared neurons / neurons that are either's, null where there are none
create view checkpoint_overlap as
select
    model,
    dataset,
    checkpoint_a,
    step_a,
    checkpoint_b,
    step_b,
    count(jaccard) as n_concepts,
    avg(jaccard) as jaccard
from checkpoint_overlap_per_concept
group by model, dataset, checkpoint_a, step_a, checkpoint_b, step_b;
