-- Which rule is taken, and how far rules agree with ablation. At s1 an earlier version stored riemann, and not which.
insert into attribution_quality (model, checkpoint, dataset, rule, prompt_id, layer) values
('m', 's0', 'd', 'linspace', 1, 0), ('m', 's0', 'd', 'gradient', 1, 0), ('m', 's0', 'd', 'gradient', 1, 1),
('m', 's1', 'd', 'riemann', 1, 0), ('m', 's2', 'd', 'relp', 1, 0), ('m', 's2', 'd', 'logit', 1, 0),
('m', 's2', 'e', 'adaptive', 1, 0), ('m', 's2', 'e', 'riemann', 1, 0);
insert into attributions (model, checkpoint, dataset, rule, prompt_id, concept, layer, neuron, attribution) values
('m', 's0', 'd', 'linspace', 1, 'king', 0, 1, 0.5), ('m', 's0', 'd', 'gradient', 1, 'king', 0, 2, 0.25),
('m', 's1', 'd', null, 1, 'king', 0, 3, 0.125);

from chosen_rules order by all;
values ('m', 's0', 'd', 'linspace'), ('m', 's1', 'd', 'riemann'), ('m', 's2', 'd', 'relp'), ('m', 's2', 'e', 'adaptive');

from attributions_of() order by all;
values ('m', 's0', 'd', 'linspace', 1, 'king', 0, 1, 0.5), ('m', 's1', 'd', 'riemann', 1, 'king', 0, 3, 0.125);
select checkpoint, neuron from attributions_of('gradient');
values ('s0', 2);
select checkpoint, neuron from attributions_of(by_rule := 'riemann');
values ('s1', 3);

-- one prompt, four neurons: gradient ranks them as their effects are, relp the other way round, but for the best
insert into checkpoints (model, checkpoint, step) values ('m', 's0', 0);
insert into ablations (model, checkpoint, dataset, prompt_id, concept, rule, layer, neuron, attribution, effect) values
('m', 's0', 'd', 1, 'king', 'gradient', 0, 0, 0.8, 0.5), ('m', 's0', 'd', 1, 'king', 'gradient', 0, 1, 0.7, 0.4),
('m', 's0', 'd', 1, 'king', 'gradient', 1, 0, 0.6, 0.1), ('m', 's0', 'd', 1, 'king', 'gradient', 1, 1, -0.5, -0.2),
('m', 's0', 'd', 1, 'king', 'relp', 0, 0, 0.9, 0.5), ('m', 's0', 'd', 1, 'king', 'relp', 0, 1, 0.1, 0.4),
('m', 's0', 'd', 1, 'king', 'relp', 1, 0, 0.2, 0.1), ('m', 's0', 'd', 1, 'king', 'relp', 1, 1, 0.3, -0.2),
-- another prompt, of whose neurons relp says nothing: its best two are the first two
('m', 's0', 'd', 2, 'tree', 'relp', 0, 0, 0, 0.1), ('m', 's0', 'd', 2, 'tree', 'relp', 0, 1, 0, 0.3),
('m', 's0', 'd', 2, 'tree', 'relp', 1, 0, 0, 0.2);

-- ranks of relp are 4, 1, 2, 3 of effects 4, 3, 2, 1: 1 - 6 * (0 + 4 + 0 + 4) / (4 * 15) = 0.2; of the two best,
-- 0/0 and 1/1, one is among 0/0 and 0/1, and 0.5 - 0.2 of 0.5 + 0.4
from rule_agreement_at(2) order by prompt_id, rule;
values
('m', 's0', 'd', 1, 'king', 'gradient', 4, 1, 1, 1),
('m', 's0', 'd', 1, 'king', 'relp', 4, 0.2, 0.5, 1 / 3),
('m', 's0', 'd', 2, 'tree', 'relp', 3, null, 0.5, 0.8);
select prompt_id, rule, precision_at_k, effect_share from rule_agreement order by all;
values (1, 'gradient', 1, 1), (1, 'relp', 1, 1), (2, 'relp', 1, 1);

from rule_agreement_distribution_at(2) order by rule;
values
('m', 's0', 0, 'd', 'gradient', 1, 1, 1, 1, 1, 1, 1, 1),
('m', 's0', 0, 'd', 'relp', 2, 0.2, 0.2, 0.2, 0.5, 0.5, 0.5, 17 / 30);
select rule, n_prompts, precision_at_k from rule_agreement_distribution order by rule;
values ('gradient', 1, 1), ('relp', 2, 1);
