-- The attributions by one rule. Rows of versions that stored one rule, and not which, are by that one.
-- grain: prompt x neuron kept, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset, rule, prompt_id, concept, layer
-- neuron: neuron of site ffn, from 0
-- attribution: what the neuron adds to the answer's probability, as the rule estimates it
create macro attributions_of(by_rule := null) as table
select attributions.* replace (coalesce(attributions.rule, chosen_rules.rule) as rule)
from attributions
inner join chosen_rules using (model, checkpoint, dataset)
where coalesce(attributions.rule, chosen_rules.rule) = coalesce(by_rule, chosen_rules.rule);
