-- Two checkpoints; of concept king two prompts, of tree one. All ran.
insert into checkpoints (model, checkpoint, step, n_layers) values ('m', 's0', 0, 2), ('m', 's10', 10, 2);
insert into prompts (dataset, prompt_id, concept) values ('d', 1, 'king'), ('d', 2, 'king'), ('d', 3, 'tree');
insert into concepts (dataset, concept, frequency, frequency_source) values ('d', 'king', 5, 'given'), ('d', 'tree', 3, 'given');
insert into prompt_scores (model, checkpoint, dataset, prompt_id, probability, rank) values
('m', 's0', 'd', 1, 0.1, 20), ('m', 's0', 'd', 2, 0.3, 30), ('m', 's0', 'd', 3, 0.2, 5),
('m', 's10', 'd', 1, 0.5, 1), ('m', 's10', 'd', 2, 0.7, 3), ('m', 's10', 'd', 3, 0.4, 2);
-- a fifth of the highest: 1/0 is below it at s0 and above it at s10; nothing contributes to tree at s0
insert into attributions (model, checkpoint, dataset, rule, prompt_id, concept, layer, neuron, attribution) values
('m', 's0', 'd', null, 1, 'king', 0, 0, 0.5), ('m', 's0', 'd', null, 1, 'king', 0, 1, 0.125), ('m', 's0', 'd', null, 1, 'king', 1, 0, 0.0625),
('m', 's0', 'd', null, 2, 'king', 0, 1, 0.375), ('m', 's0', 'd', null, 2, 'king', 1, 1, 0.25),
('m', 's10', 'd', 'riemann', 1, 'king', 0, 1, 0.75), ('m', 's10', 'd', 'riemann', 2, 'king', 0, 1, 0.5), ('m', 's10', 'd', 'riemann', 2, 'king', 1, 0, 0.125),
('m', 's10', 'd', 'riemann', 3, 'tree', 0, 1, 0.25), ('m', 's10', 'd', 'riemann', 3, 'tree', 1, 1, -0.5);
-- at s0 an earlier version stored one rule, and not which, with the attributions; relp is not what is taken by itself
insert into attribution_quality (model, checkpoint, dataset, rule, prompt_id, layer, max_attribution) values
('m', 's0', 'd', 'adaptive', 1, 0, 0.5), ('m', 's0', 'd', 'adaptive', 1, 1, 0.0625), ('m', 's0', 'd', 'adaptive', 2, 0, 0.375), ('m', 's0', 'd', 'adaptive', 2, 1, 0.25),
('m', 's10', 'd', 'riemann', 1, 0, 0.75), ('m', 's10', 'd', 'riemann', 2, 0, 0.5), ('m', 's10', 'd', 'riemann', 2, 1, 0.125), ('m', 's10', 'd', 'riemann', 3, 0, 0.25),
('m', 's10', 'd', 'relp', 3, 0, -1), ('m', 's10', 'd', 'relp', 3, 1, 5);
insert into attributions (model, checkpoint, dataset, rule, prompt_id, concept, layer, neuron, attribution) values
('m', 's10', 'd', 'relp', 3, 'tree', 1, 0, 5);

from concept_scores order by all;
values
('m', 's0', 0, 'd', 'king', 2, 0.2, 25), ('m', 's0', 0, 'd', 'tree', 1, 0.2, 5),
('m', 's10', 10, 'd', 'king', 2, 0.6, 2), ('m', 's10', 10, 'd', 'tree', 1, 0.4, 2);

from last_checkpoints;
values ('m', 'd', 's10', 10);

-- tree is known from s0 on, king from s10 on
from acquisition order by all;
values ('m', 'd', 'king', 2, 's10', 10, 2, 1), ('m', 'd', 'tree', 2, 's0', 0, 5, 2);
from acquisition_at(1) order by all;
values ('m', 'd', 'king', 2, null, null, null, 0), ('m', 'd', 'tree', 2, null, null, null, 0);

select checkpoint, prompt_id, layer, neuron, rule from selected_attributions_at(0.2) order by all;
values
('s0', 1, 0, 0, 'adaptive'), ('s0', 1, 0, 1, 'adaptive'), ('s0', 2, 0, 1, 'adaptive'), ('s0', 2, 1, 1, 'adaptive'),
('s10', 1, 0, 1, 'riemann'), ('s10', 2, 0, 1, 'riemann'), ('s10', 2, 1, 0, 'riemann'), ('s10', 3, 0, 1, 'riemann');
-- what an earlier version stored is by the rule that is taken, and by no other
from selected_attributions_at(0.5, by_rule := 'relp');
values ('m', 's10', 'd', 'relp', 3, 'tree', 1, 0, 5);

from knowledge_neurons order by all;
values
('m', 's0', 'd', 'king', 0, 0, 'adaptive', 1, 0.5, 2, 0.5), ('m', 's0', 'd', 'king', 0, 1, 'adaptive', 2, 0.25, 2, 1),
('m', 's0', 'd', 'king', 1, 1, 'adaptive', 1, 0.25, 2, 0.5),
('m', 's10', 'd', 'king', 0, 1, 'riemann', 2, 0.625, 2, 1), ('m', 's10', 'd', 'king', 1, 0, 'riemann', 1, 0.125, 2, 0.5),
('m', 's10', 'd', 'tree', 0, 1, 'riemann', 1, 0.25, 1, 1);
select checkpoint, concept, layer, neuron from knowledge_neurons_at(0.2, 1) order by all;
values ('s0', 'king', 0, 1), ('s10', 'king', 0, 1), ('s10', 'tree', 0, 1);

select concept, layer, neuron, attribution, rule from knowledge_neurons_at(0.2, 0.5, by_rule := 'relp');
values ('tree', 1, 0, 5, 'relp');
select concept, layer, neuron from knowledge_neurons_at(0.2, 1, by_rule := 'adaptive');
values ('king', 0, 1);
select concept, n_neurons from knowledge_neuron_stability_at('s10', 0.2, 0.5, by_rule := 'relp') where checkpoint = 's10' order by all;
values ('king', 0), ('tree', 1);
-- nobody asked relp at s0: nothing is said of it there, not that it selected nothing
from attributed_by('relp');
values ('m', 's10', 'd');
select distinct checkpoint from knowledge_neuron_stability_at('s10', 0.2, 0.5, by_rule := 'relp');
values ('s10');
select concept, first_checkpoint, n_checkpoints, persistence
from knowledge_neuron_persistence_at('s10', 0.2, 0.5, by_rule := 'relp');
values ('tree', 's10', 1, 1);
select concept, layer, neuron from knowledge_neuron_persistence_at('s10', 0.2, 0.5, by_rule := 'relp');
values ('tree', 1, 0);

from knowledge_neurons_per_concept order by all;
values
('m', 's0', 0, 'd', 'king', 2, 3), ('m', 's0', 0, 'd', 'tree', 1, 0),
('m', 's10', 10, 'd', 'king', 2, 2), ('m', 's10', 10, 'd', 'tree', 1, 1);

from attribution_by_layer order by all;
values
('m', 's0', 0, 'd', 0, 2, 0.375, 0.375, 0.5), ('m', 's0', 0, 'd', 1, 1, 0.25, 0.25, 0.25),
('m', 's10', 10, 'd', 0, 2, 0.4375, 0.4375, 0.625), ('m', 's10', 10, 'd', 1, 1, 0.125, 0.125, 0.125);

-- at s10 one neuron of layer 0 contributes to both
from knowledge_neuron_layers order by all;
values
('m', 's0', 0, 'd', 0, 2, 2, 2, 1, 2 / 3), ('m', 's0', 0, 'd', 1, 2, 1, 1, 0.5, 1 / 3),
('m', 's10', 10, 'd', 0, 2, 2, 1, 1, 2 / 3), ('m', 's10', 10, 'd', 1, 2, 1, 1, 0.5, 1 / 3);

select checkpoint, layer, neuron, n_concepts, concepts from concepts_per_neuron order by all;
values
('s0', 0, 0, 1, ['king']), ('s0', 0, 1, 1, ['king']), ('s0', 1, 1, 1, ['king']),
('s10', 0, 1, 2, ['king', 'tree']), ('s10', 1, 0, 1, ['king']);

-- {0/0, 0/1, 1/1} and {0/1, 1/0}
from checkpoint_overlap_per_concept order by all;
values
('m', 'd', 's0', 0, 's10', 10, 'king', 3, 2, 1, 1 / 4), ('m', 'd', 's0', 0, 's10', 10, 'tree', 0, 1, 0, 0);
from checkpoint_overlap;
values ('m', 'd', 's0', 0, 's10', 10, 2, 1 / 8);

select concept, reference_checkpoint, checkpoint, step, n_reference, n_neurons, n_shared, share_found, jaccard
from knowledge_neuron_stability order by all;
values
('king', 's10', 's0', 0, 2, 3, 1, 1 / 2, 1 / 4), ('king', 's10', 's10', 10, 2, 2, 2, 1, 1),
('tree', 's10', 's0', 0, 1, 0, 0, 0, 0), ('tree', 's10', 's10', 10, 1, 1, 1, 1, 1);
select concept, checkpoint, n_reference, n_neurons, n_shared, share_found, jaccard
from knowledge_neuron_stability_at('s0', 0.2, 1) order by all;
values
('king', 's0', 1, 1, 1, 1, 1), ('king', 's10', 1, 1, 1, 1, 1), ('tree', 's0', 0, 0, 0, null, null),
('tree', 's10', 0, 1, 0, null, 0);

from knowledge_neuron_persistence order by all;
values
('m', 'd', 'king', 's10', 0, 1, 0.625, 's0', 0, 0, 2, 2, 1), ('m', 'd', 'king', 's10', 1, 0, 0.125, 's10', 10, 10, 1, 1, 1),
('m', 'd', 'tree', 's10', 0, 1, 0.25, 's10', 10, 10, 1, 1, 1);
-- the later checkpoint is after the reference
select concept, layer, neuron, first_checkpoint, n_checkpoints, persistence
from knowledge_neuron_persistence_at('s0', 0.2, 0.5) order by all;
values ('king', 0, 0, 's0', 1, 1), ('king', 0, 1, 's0', 1, 1), ('king', 1, 1, 's0', 1, 1);

from concept_frequency where frequency_source = 'given' order by all;
values ('m', 'd', 'king', 5, 'given', 1, 'most'), ('m', 'd', 'tree', 3, 'given', 2, 'least');
insert into concept_counts (dataset, corpus, concept, n_sentences) values ('d', 'c', 'king', 7), ('d', 'c', 'tree', 8);
select concept, frequency, place, extreme from concept_frequency where frequency_source = 'concepts in c' order by all;
values ('king', 7, 2, 'least'), ('tree', 8, 1, 'most');
