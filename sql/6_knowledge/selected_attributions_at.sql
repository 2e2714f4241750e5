-- The attributions that a prompt selects by one rule: those above 0 that reach a share t of its highest.
-- grain: prompt x neuron, per model, checkpoint and dataset
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset, rule, prompt_id, concept, layer
-- neuron: neuron of site ffn, from 0
-- attribution: what the neuron adds to the answer's probability, as the rule estimates it
create macro selected_attributions_at(t, by_rule := null) as table
-- the highest as it is stored of each layer: a window over the attributions themselves takes five times as long
with highest as (
    select
        quality.model,
        quality.checkpoint,
        quality.dataset,
        quality.prompt_id,
        quality.rule,
        chosen_rules.rule as chosen,
        max(quality.max_attribution) as highest
    from attribution_quality as quality
    inner join chosen_rules using (model, checkpoint, dataset)
    where quality.rule = coalesce(by_rule, chosen_rules.rule)
    group by
        quality.model, quality.checkpoint, quality.dataset, quality.prompt_id, quality.rule, chosen_rules.rule
)

select stored.* replace (highest.rule as rule)
from attributions as stored
inner join highest using (model, checkpoint, dataset, prompt_id)
where
    coalesce(stored.rule, highest.chosen) = highest.rule
    and stored.attribution > 0
    and stored.attribution >= highest.highest * case
        when t >= 0.05 then t::double else error('t must be at least 0.05: lower attributions are not stored')
    end;
