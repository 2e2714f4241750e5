-- The checkpoint that others are compared with: of those with scores for a data set the one of the highest step. One
-- without a step is taken only where none has one; ties fall to the later label.
-- grain: model x dataset
-- columns: model, dataset, checkpoint, step
create view last_checkpoints as
select distinct
    model,
    dataset,
    checkpoint,
    step
from concept_scores
qualify checkpoint = first_value(checkpoint) over (
    partition by model, dataset
    order by step desc nulls last, checkpoint desc
);
