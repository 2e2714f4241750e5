-- The interventions on the neurons that one rule of attribution selected. Rows of versions that stored one rule, and
-- not which, are by that one.
-- grain: prompt of a concept x operation x arm, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset, rule
-- concept: the concept whose neurons were changed
-- columns: prompt_id, polarity, operation, arm
-- n_neurons: neurons changed
-- p_before: probability of the prompt's answer, untouched
-- p_after: probability of the prompt's answer with the neurons changed
-- rank_before: rank of the prompt's answer in the vocabulary, from 1, untouched
-- rank_after: rank of the prompt's answer with the neurons changed
create macro interventions_of(by_rule := null) as table
select interventions.* exclude (t, p) replace (coalesce(interventions.rule, chosen_rules.rule) as rule)
from interventions
inner join chosen_rules using (model, checkpoint, dataset)
where coalesce(interventions.rule, chosen_rules.rule) = coalesce(by_rule, chosen_rules.rule);
