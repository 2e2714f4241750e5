-- How far each attribution rule agrees with what it estimates: the effect of ablating each neuron alone, over the
-- neurons that any rule has among a prompt's best (relation ablations).
-- view: rule_agreement(k := 10)
-- grain: rule x prompt ablated, per model, checkpoint and dataset
-- argument k: how many of the best are compared
-- columns: model, checkpoint, dataset, prompt_id, concept, rule
-- n_neurons: neurons ablated
-- spearman: rank correlation of attribution and effect, ties having their mean rank; null where one is constant
-- precision_at_k: share of the rule's k best that are among the k of the largest effect
-- effect_share: sum of the effects of the rule's k best / that of the k of the largest effect; null if that is 0
create macro rule_agreement_at(k) as table
with ranked as (
    select
        model,
        checkpoint,
        dataset,
        prompt_id,
        concept,
        rule,
        effect,
        rank() over (of_prompt order by attribution) + count(*) over (
            partition by model, checkpoint, dataset, prompt_id, rule, attribution
        ) / 2 as attribution_rank,
        rank() over (of_prompt order by effect) + count(*) over (
            partition by model, checkpoint, dataset, prompt_id, rule, effect
        ) / 2 as effect_rank,
        row_number() over (of_prompt order by attribution desc, layer asc, neuron asc) <= k as is_best,
        row_number() over (of_prompt order by effect desc, layer asc, neuron asc) <= k as is_effective
    from ablations
    window of_prompt as (partition by model, checkpoint, dataset, prompt_id, rule)
)

select
    model,
    checkpoint,
    dataset,
    prompt_id,
    concept,
    rule,
    count(*) as n_neurons,
    case
        when min(attribution_rank) < max(attribution_rank) and min(effect_rank) < max(effect_rank)
            then corr(attribution_rank, effect_rank)
    end as spearman,
    count(*) filter (where is_best and is_effective) / count(*) filter (where is_best) as precision_at_k,
    sum(effect) filter (where is_best) / nullif(sum(effect) filter (where is_effective), 0) as effect_share
from ranked
group by model, checkpoint, dataset, prompt_id, concept, rule;
