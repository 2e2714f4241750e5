-- How the agreement of each attribution rule with exact ablation is distributed over prompts (macro rule_agreement_at).
-- view: rule_agreement_distribution(k := 10)
-- grain: rule, per model, checkpoint and dataset
-- argument k: how many of the best are compared
-- columns: model, checkpoint, step, dataset, rule
-- n_prompts: prompts ablated
-- spearman_q25: quantile 0.25 of the rank correlation with the effect (all quantiles interpolate between prompts)
-- spearman: median rank correlation
-- spearman_q75: quantile 0.75
-- precision_q25: quantile 0.25 of the share of the rule's k best that are among the k of the largest effect
-- precision_at_k: median share
-- precision_q75: quantile 0.75
-- effect_share: median share of the effect of the k of the largest effect that the rule's k best have
create macro rule_agreement_distribution_at(k) as table
select
    agreement.model,
    agreement.checkpoint,
    checkpoints.step,
    agreement.dataset,
    agreement.rule,
    count(*) as n_prompts,
    quantile_cont(agreement.spearman, 0.25) as spearman_q25,
    median(agreement.spearman) as spearman,
    quantile_cont(agreement.spearman, 0.75) as spearman_q75,
    quantile_cont(agreement.precision_at_k, 0.25) as precision_q25,
    median(agreement.precision_at_k) as precision_at_k,
    quantile_cont(agreement.precision_at_k, 0.75) as precision_q75,
    median(agreement.effect_share) as effect_share
from rule_agreement_at(k) as agreement
left join checkpoints using (model, checkpoint)
group by agreement.model, agreement.checkpoint, checkpoints.step, agreement.dataset, agreement.rule;
