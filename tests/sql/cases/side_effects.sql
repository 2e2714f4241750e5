-- Two concepts: the contributing neurons move the loss by 0.3 and 0.1, random ones not at all.
insert into checkpoints (model, checkpoint, step) values ('m', 's0', 0);
insert into side_effects (model, checkpoint, dataset, corpus, rule, concept, arm, n_neurons, n_sentences, kl, loss_before, loss_after) values
('m', 's0', 'd', 'brown', 'relp', 'king', 'contributing', 2, 200, 0.5, 3, 3.3), ('m', 's0', 'd', 'brown', 'relp', 'tree', 'contributing', 4, 200, 0.1, 3, 3.1),
('m', 's0', 'd', 'brown', 'relp', 'king', 'random', 2, 200, 0.25, 3, 3), ('m', 's0', 'd', 'brown', 'relp', 'tree', 'random', 4, 200, 0.25, 3, 3);

from side_effect_distribution order by arm;
values
('m', 's0', 0, 'd', 'brown', 'relp', 'contributing', 2, 3, 200, 0.3, 3, 0.2, null, null, null, null),
('m', 's0', 0, 'd', 'brown', 'relp', 'random', 2, 3, 200, 0.25, 3, 0, null, null, null, null);
