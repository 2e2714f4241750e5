-- How well a checkpoint knows each concept: probability and rank of the answer over the concept's prompts that ran.
-- grain: concept that ran, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, concept, n_prompts
-- probability: mean probability of the answer
-- median_rank: median rank of the answer's first token in the vocabulary, 1 is the most probable
create view concept_scores as
select
    scores.model,
    scores.checkpoint,
    checkpoints.step,
    scores.dataset,
    prompts.concept,
    count(*) as n_prompts,
    avg(scores.probability) as probability,
    median(scores.rank) as median_rank
from prompt_scores as scores
inner join prompts using (dataset, prompt_id)
left join checkpoints using (model, checkpoint)
group by scores.model, scores.checkpoint, checkpoints.step, scores.dataset, prompts.concept;
