-- When a model learns each concept: the first checkpoint at which the median rank of the answer, over the concept's
-- prompts, is in the top 10 (acquisition_at takes others).
-- grain: concept that ran at any checkpoint, per model and dataset
-- model: short name of the model
-- dataset: name of the set of prompts
-- concept: the word its prompts ask for
-- n_checkpoints: checkpoints with a step at which the concept ran
-- checkpoint: label of the first checkpoint that knows the concept, null if none does
-- step: training step of this, null if none does
-- median_rank: median rank there, null if none does
-- n_known: checkpoints with a step that know the concept
create view acquisition as
select
    model,
    dataset,
    concept,
    n_checkpoints,
    checkpoint,
    step,
    median_rank,
    n_known
from acquisition_at(10);
