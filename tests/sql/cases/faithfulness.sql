-- Two prompts, a model of 10 neurons: with none of its neurons 0.1 and 0.1, with all 0.9 and 0.5: m goes from 0.1 to 0.7.
insert into checkpoints (model, checkpoint, step, n_layers, d_ffn) values ('m', 's0', 0, 2, 5);
insert into faithfulness (model, checkpoint, dataset, prompt_id, concept, rule, selection, arm, kept, n_neurons, probability) values
('m', 's0', 'd', 1, 'king', 'relp', 'prompt', 'contributing', true, 0, 0.1), ('m', 's0', 'd', 1, 'king', 'relp', 'prompt', 'contributing', true, 1, 0.5),
('m', 's0', 'd', 1, 'king', 'relp', 'prompt', 'contributing', true, 10, 0.9), ('m', 's0', 'd', 1, 'king', 'relp', 'concept', 'contributing', false, 2, 0.5),
('m', 's0', 'd', 2, 'tree', 'relp', 'prompt', 'contributing', true, 0, 0.1), ('m', 's0', 'd', 2, 'tree', 'relp', 'prompt', 'contributing', true, 1, 0.3),
('m', 's0', 'd', 2, 'tree', 'relp', 'prompt', 'contributing', true, 10, 0.5), ('m', 's0', 'd', 2, 'tree', 'relp', 'concept', 'contributing', false, 4, 0.3),
('m', 's0', 'd', 1, 'king', 'relp', 'prompt', 'random', true, 1, 0.1), ('m', 's0', 'd', 1, 'king', 'relp', 'prompt', 'random', true, 10, 0.9);

-- one neuron alone: 0.4 of 0.1 to 0.7; without their concepts' neurons the same; random ones of the first prompt alone
from faithfulness_curves order by selection, arm, n_neurons;
values
('m', 's0', 0, 'd', 'relp', 'concept', 'contributing', false, 0.3, 3, 2, 0.4, 0.5, null, null),
('m', 's0', 0, 'd', 'relp', 'prompt', 'contributing', true, 0, 0, 2, 0.1, 0, null, null),
('m', 's0', 0, 'd', 'relp', 'prompt', 'contributing', true, 0.1, 1, 2, 0.4, 0.5, null, null),
('m', 's0', 0, 'd', 'relp', 'prompt', 'contributing', true, 1, 10, 2, 0.7, 1, null, null),
('m', 's0', 0, 'd', 'relp', 'prompt', 'random', true, 0.1, 1, 1, 0.1, 0, null, null),
('m', 's0', 0, 'd', 'relp', 'prompt', 'random', true, 1, 10, 1, 0.9, 1, null, null);

-- from a tenth to all f goes from 0.5 to 1, or from 0 to 1
from faithfulness_areas order by arm;
values
('m', 's0', 0, 'd', 'relp', 'contributing', 2, 0.75, 0.25, 0.75, 0.25),
('m', 's0', 0, 'd', 'relp', 'random', 1, 0.5, 0.5, 0.5, 0.5);
