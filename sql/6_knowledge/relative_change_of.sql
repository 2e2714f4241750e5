-- What changing a concept's contributing neurons does to the probability of the answers: the mean over prompts of
-- (p_after - p_before) * 100 / p_before. A prompt with a probability of 0 before has no relative change.
-- view: relative_change()
-- grain: concept x operation x polarity x arm, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset
-- concept: the concept whose neurons were changed
-- columns: operation, polarity, arm
-- n_neurons: neurons changed
-- n_prompts: prompts
-- n_null: prompts with a probability of 0 before, which the relative change leaves out
-- p_before: mean probability of the answers, untouched
-- p_after: mean probability of the answers with the neurons changed
-- relative_change: mean over prompts, in percent; null where all have a probability of 0 before
create macro relative_change_of(by_rule := null) as table
select
    prompts.model,
    prompts.checkpoint,
    checkpoints.step,
    prompts.dataset,
    prompts.concept,
    prompts.operation,
    prompts.polarity,
    prompts.arm,
    max(prompts.n_neurons) as n_neurons,
    count(*) as n_prompts,
    count(*) filter (where prompts.p_before = 0) as n_null,
    avg(prompts.p_before) as p_before,
    avg(prompts.p_after) as p_after,
    avg((prompts.p_after - prompts.p_before) * 100 / nullif(prompts.p_before, 0)) as relative_change
from interventions_of(by_rule) as prompts
left join checkpoints using (model, checkpoint)
group by
    prompts.model, prompts.checkpoint, checkpoints.step, prompts.dataset, prompts.concept, prompts.operation,
    prompts.polarity, prompts.arm;
