-- Concept king is learned from s10 on, its neuron matters from s20 on; of prompts 1 and 2 (one fact) and 3 (another).
insert into checkpoints (model, checkpoint, series, seed, step, n_layers) values
('m-seed_1', 's0', 'm', 1, 0, 2), ('m-seed_1', 's10', 'm', 1, 10, 2), ('m-seed_1', 's20', 'm', 1, 20, 2), ('m-seed_2', 's20', 'm', 2, 20, 2);
insert into prompts (dataset, prompt_id, concept, fact_id) values
('d', 1, 'king', 'a'), ('d', 2, 'king', 'a'), ('d', 3, 'king', 'b'), ('d', 4, 'tree', 'c');
insert into prompt_scores (model, checkpoint, dataset, prompt_id, probability, rank) values
('m-seed_1', 's0', 'd', 1, 0.1, 20), ('m-seed_1', 's10', 'd', 1, 0.5, 1), ('m-seed_1', 's20', 'd', 1, 0.8, 1),
('m-seed_1', 's20', 'd', 2, 0.8, 1), ('m-seed_1', 's20', 'd', 3, 0.8, 1), ('m-seed_1', 's20', 'd', 4, 0.4, 1),
('m-seed_2', 's20', 'd', 1, 0.8, 1);
insert into attribution_quality (model, checkpoint, dataset, rule, prompt_id, layer, max_attribution) values
('m-seed_1', 's0', 'd', 'adaptive', 1, 0, 0), ('m-seed_1', 's10', 'd', 'adaptive', 1, 0, 0), ('m-seed_1', 's20', 'd', 'adaptive', 1, 0, 0.5),
('m-seed_1', 's20', 'd', 'adaptive', 2, 0, 0.5), ('m-seed_1', 's20', 'd', 'adaptive', 2, 1, 0.4), ('m-seed_1', 's20', 'd', 'adaptive', 3, 0, 0),
('m-seed_1', 's20', 'd', 'adaptive', 3, 1, 0.5), ('m-seed_1', 's20', 'd', 'adaptive', 4, 0, 0.5),
('m-seed_2', 's20', 'd', 'adaptive', 1, 0, 0), ('m-seed_1', 's20', 'd', 'relp', 1, 0, 0);
-- own prompt: p -> p_after by the contributing and by a random neuron; the other's is not touched
insert into interventions (
    model, checkpoint, dataset, operation, rule, concept, prompt_id, polarity, arm, n_neurons, p_before, p_after, rank_before, rank_after
) values
('m-seed_1', 's0', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'contributing', 2, 0.1, 0.1, 20, 20),
('m-seed_1', 's0', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'random', 2, 0.1, 0.1, 20, 20),
('m-seed_1', 's0', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'contributing', 2, 0.2, 0.2, 20, 20),
('m-seed_1', 's0', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'random', 2, 0.2, 0.2, 20, 20),
('m-seed_1', 's10', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'contributing', 2, 0.5, 0.4, 1, 1),
('m-seed_1', 's10', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'random', 2, 0.5, 0.5, 1, 1),
('m-seed_1', 's10', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'contributing', 2, 0.2, 0.2, 20, 20),
('m-seed_1', 's10', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'random', 2, 0.2, 0.2, 20, 20),
('m-seed_1', 's20', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'contributing', 2, 0.8, 0.2, 1, 9),
('m-seed_1', 's20', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'random', 2, 0.8, 0.72, 1, 1),
('m-seed_1', 's20', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'contributing', 2, 0.4, 0.36, 1, 1),
('m-seed_1', 's20', 'd', 'zero', 'adaptive', 'king', 4, 'negative', 'random', 2, 0.4, 0.4, 1, 1),
('m-seed_1', 's20', 'd', 'zero', 'relp', 'king', 1, 'positive', 'contributing', 2, 0.8, 0.4, 1, 9),
('m-seed_1', 's20', 'd', 'zero', 'relp', 'king', 1, 'positive', 'random', 2, 0.8, 0.8, 1, 1);

-- numbers of an independent program
select random_bits(0), random_bits(1), random_bits(12345);
values (0, 3979709550, 598676339);
-- every resample of equal values has their mean, and the interval no width
select len(bootstrap_means([2, 2, 2, 2], 0)), list_min(bootstrap_means([2, 2], 3)), bootstrap_interval(bootstrap_means([2, 2, 2, 2], 0), 2, 4)[1];
values (1000, 2, 2);
-- 26 of 1,000 means are 1 and as many 9, around 5; Student's t with 3 degrees of freedom is 3.18: 5 - sqrt(52 * 16 / 1000) * 3.18 * sqrt(4 / 3)
select round(bootstrap_interval(list_transform(range(1000), lambda r: case when r < 26 then 1 when r >= 974 then 9 else 5 end), 5, 4)[1], 2);
values (1.65);
select bootstrap_interval([1.0], 1, 3);
values (null);
-- 100 of 1,000 means are 9, the others 0: their spread is 2.7, their skewness g 8 / 3. Hall's x + g x^2 / 3 + g^2 x^3 / 27 + g / 6 is 3.18 at
-- 1.153 and -3.18 at -3.436: 0.9 - 2.7 * sqrt(4 / 3) * x
select round(found[1], 2), round(found[2], 1)
from (select bootstrap_interval(list_transform(range(1000), lambda r: case when r < 100 then 9 else 0 end), 0.9, 4) as found);
values (-2.69, 11.6);
select round(without_skewness(3.182446, 8 / 3), 3), round(without_skewness(-3.182446, 8 / 3), 3), without_skewness(2, 0), without_skewness(2, null);
values (1.153, -3.436, 2, 2);

-- at s20 -75 - (-10) for its own, -10 - 0 for the other: -65 + 10
select model, checkpoint, step, dataset, concept, operation, n_neurons, n_own, n_others, own_change, others_change, specific_effect, low
from specific_effect order by step;
values
('m-seed_1', 's0', 0, 'd', 'king', 'zero', 2, 1, 1, 0, 0, 0, null), ('m-seed_1', 's10', 10, 'd', 'king', 'zero', 2, 1, 1, -20, 0, -20, null),
('m-seed_1', 's20', 20, 'd', 'king', 'zero', 2, 1, 1, -65, -10, -55, null);
select own_change, n_others, specific_effect from specific_effect_of('relp');
values (-50, 0, null);

-- half of 0.8 is reached at s10, half of 55 at s20; both only rise, as in 2 of 6 orders they go the same or the other way
from formation;
values ('m-seed_1', 'd', 'king', 'zero', 3, 3, 0.8, 1, 55, 10, 20, 1, -10, 1 / 3);
select known_step, matters_step from formation_at(0.2);
values (10, 10);
from formation_distribution;
values ('m-seed_1', 'd', 'zero', 1, 1, 1, 1, -10, 0, 0, 1, null, null);
select n_concepts, share_together from formation_distribution_at(0.2, 10);
values (1, 1);

-- prompts of one fact share neuron 0/1 of 0/1 and 1/1; the other fact has 1/0 alone, and tree what prompt 1 has
insert into attributions (model, checkpoint, dataset, rule, prompt_id, concept, layer, neuron, attribution) values
('m-seed_1', 's20', 'd', 'adaptive', 1, 'king', 0, 1, 0.5), ('m-seed_1', 's20', 'd', 'adaptive', 1, 'king', 0, 0, 0.01),
('m-seed_1', 's20', 'd', 'adaptive', 2, 'king', 0, 1, 0.5), ('m-seed_1', 's20', 'd', 'adaptive', 2, 'king', 1, 1, 0.4),
('m-seed_1', 's20', 'd', 'adaptive', 3, 'king', 1, 0, 0.5), ('m-seed_1', 's20', 'd', 'adaptive', 4, 'tree', 0, 1, 0.5);
select prompt_id, concept, fact_id, neurons from selected_sets_at(0.2) where checkpoint = 's20' and model = 'm-seed_1' order by prompt_id;
values
(1, 'king', 'a', [1]), (2, 'king', 'a', [1, 4294967297]), (3, 'king', 'b', [4294967296]), (4, 'tree', 'c', [1]);
-- of king's three pairs one shares 1 of 2; with tree's prompt 1, 1 of 2 and 0
from consistency order by model, step, concept;
values
('m-seed_1', 's0', 0, 'd', 'king', 1, 0, null, null, null, null), ('m-seed_1', 's10', 10, 'd', 'king', 1, 0, null, null, null, null),
('m-seed_1', 's20', 20, 'd', 'king', 3, 4 / 3, 1 / 6, 1 / 2, 0, 1 / 2), ('m-seed_1', 's20', 20, 'd', 'tree', 1, 1, null, null, null, 1 / 2),
('m-seed_2', 's20', 20, 'd', 'king', 1, 0, null, null, null, null);
select n_selected, overlap from consistency_at(0.05, by_rule := 'relp') where concept = 'king' and step = 20 order by model;
values (0, null);
-- 1/1 and 1/0 are of a third of king's prompts, and of half and all of those of a fact
from hidden_knowledge where n_selected > 0 order by concept;
values ('m-seed_1', 's20', 20, 'd', 'king', 3, 2, 3, 1, 2 / 3, 2), ('m-seed_1', 's20', 20, 'd', 'tree', 1, 1, 1, 1, 1, 0);
select n_neurons, n_hidden from hidden_knowledge_at(0.2, 1) where concept = 'king' and model = 'm-seed_1' and step = 20;
values (0, 2);

from training_curves where model = 'm-seed_1' and step = 20 order by figure;
values
('m-seed_1', 's20', 20, 'd', 'neurons per concept', null, 2, 1, null, null),
('m-seed_1', 's20', 20, 'd', 'overlap of different concepts'' prompts', null, 2, 0.5, null, null),
('m-seed_1', 's20', 20, 'd', 'overlap of one concept''s prompts', null, 1, 1 / 6, null, null),
('m-seed_1', 's20', 20, 'd', 'probability', null, 2, 0.6, null, null),
('m-seed_1', 's20', 20, 'd', 'share of the last checkpoint''s neurons found', null, 2, 1, null, null),
('m-seed_1', 's20', 20, 'd', 'specific effect', 'zero', 1, -55, null, null);
-- no count where the rule was not run
select step from training_curves_of('relp') where figure = 'neurons per concept';
values (20);
select figure, mean from training_curves_of('relp') where model = 'm-seed_1' and step = 20 and figure in ('neurons per concept', 'specific effect');
values ('neurons per concept', 0);

from seed_spread where figure = 'probability' order by step;
values
('m', 0, 'd', 'probability', null, 1, 0.1, null, 0.1, 0.1), ('m', 10, 'd', 'probability', null, 1, 0.5, null, 0.5, 0.5),
('m', 20, 'd', 'probability', null, 2, 0.7, 0.1414213562, 0.6, 0.8);
