-- When a model learns each concept: the first checkpoint at which the median rank of the answer, over the concept's
-- prompts, is at most k. The median asks that half of the prompts bring the answer up, whatever the rank of the others.
-- Checkpoints without a step have no place in time and are left out; of those of one step the earlier label is first.
-- view: acquisition(k := 10)
-- grain: concept that ran at any checkpoint, per model and dataset
-- argument k: highest median rank that counts as known
-- columns: model, dataset, concept
-- n_checkpoints: checkpoints with a step at which the concept ran
-- checkpoint: label of the first checkpoint that knows the concept, null if none does
-- step: training step of this, null if none does
-- median_rank: median rank there, null if none does
-- n_known: checkpoints with a step that know the concept
create macro acquisition_at(k) as table
select
    model,
    dataset,
    concept,
    count(step) as n_checkpoints,
    arg_min(checkpoint, (step, checkpoint)) filter (where median_rank <= k) as checkpoint,
    min(step) filter (where median_rank <= k) as step,
    arg_min(median_rank, (step, checkpoint)) filter (where median_rank <= k) as median_rank,
    count(step) filter (where median_rank <= k) as n_known
from concept_scores
group by model, dataset, concept;
