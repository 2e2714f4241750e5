-- The neurons that each prompt selects: those that reach a share t of its highest attribution.
-- grain: prompt that ran and was attributed by the rule, per model, checkpoint and dataset
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset, prompt_id, concept
-- fact_id: `prompts.fact_id`
-- neurons: its neurons, as layer * 2^32 + neuron, ascending; empty where no attribution is above 0
create macro selected_sets_at(t, by_rule := null) as table
with sets as (
    select
        model,
        checkpoint,
        dataset,
        prompt_id,
        list(layer::bigint * 4294967296 + neuron order by layer, neuron) as neurons
    from selected_attributions_at(t, by_rule)
    group by model, checkpoint, dataset, concept, prompt_id
)

select
    scores.model,
    scores.checkpoint,
    scores.dataset,
    scores.prompt_id,
    prompts.concept,
    prompts.fact_id,
    coalesce(sets.neurons, []) as neurons
from prompt_scores as scores
inner join prompts using (dataset, prompt_id)
inner join attributed_by(by_rule) using (model, checkpoint, dataset)
left join sets using (model, checkpoint, dataset, prompt_id);
