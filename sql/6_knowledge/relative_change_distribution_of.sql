-- How the relative change of the concepts (view relative_change) is distributed at a checkpoint.
-- view: relative_change_distribution()
-- grain: operation x polarity x arm, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset, operation, polarity, arm
-- n_concepts: concepts with a relative change
-- n_null: concepts without one, as all their prompts have a probability of 0 before
-- n_prompts: prompts of all concepts
-- n_null_prompts: prompts with a probability of 0 before
-- mean: mean over concepts, in percent
-- lowest: lowest concept, in percent
-- q05: quantile 0.05 (all quantiles interpolate between concepts)
-- q25: quantile 0.25
-- median: quantile 0.5
-- q75: quantile 0.75
-- q95: quantile 0.95
-- highest: highest concept, in percent
create macro relative_change_distribution_of(by_rule := null) as table
select
    model,
    checkpoint,
    step,
    dataset,
    operation,
    polarity,
    arm,
    count(relative_change) as n_concepts,
    count(*) - count(relative_change) as n_null,
    sum(n_prompts)::bigint as n_prompts,
    sum(n_null)::bigint as n_null_prompts,
    avg(relative_change) as mean,
    min(relative_change) as lowest,
    quantile_cont(relative_change, 0.05) as q05,
    quantile_cont(relative_change, 0.25) as q25,
    median(relative_change) as median,
    quantile_cont(relative_change, 0.75) as q75,
    quantile_cont(relative_change, 0.95) as q95,
    max(relative_change) as highest
from relative_change_of(by_rule)
group by model, checkpoint, step, dataset, operation, polarity, arm;
