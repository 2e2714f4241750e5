-- What changing a concept's contributing neurons does to the rank of the answers in the vocabulary.
-- view: rank_change()
-- grain: concept x operation x polarity x arm, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset
-- concept: the concept whose neurons were changed
-- columns: operation, polarity, arm
-- n_neurons: neurons changed
-- n_prompts: prompts
-- rank_before: mean rank of the answers, untouched; 1 is the most probable token
-- rank_after: mean rank of the answers with the neurons changed
-- rank_change: mean of rank after - rank before; positive where the answers become less probable than others
-- median_rank_change: median of rank after - rank before
create macro rank_change_of(by_rule := null) as table
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
    avg(prompts.rank_before) as rank_before,
    avg(prompts.rank_after) as rank_after,
    avg(prompts.rank_after - prompts.rank_before) as rank_change,
    median(prompts.rank_after - prompts.rank_before) as median_rank_change
from interventions_of(by_rule) as prompts
left join checkpoints using (model, checkpoint)
group by
    prompts.model, prompts.checkpoint, checkpoints.step, prompts.dataset, prompts.concept, prompts.operation,
    prompts.polarity, prompts.arm;
