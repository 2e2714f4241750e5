-- Of neurons 0, 1, 2 the second moved most in standard deviations; the third hardly varied before.
insert into neuron_distances (
    model_before, checkpoint_before, model_after, checkpoint_after, corpus, split, layer, neuron,
    mean_change, mean_absolute_change, std_before
) values
('m', 's1', 'm', 's2', 'a', 'all', 0, 0, 0.5, 2, 4), ('m', 's1', 'm', 's2', 'a', 'all', 0, 1, -1, 1, 1), ('m', 's1', 'm', 's2', 'a', 'all', 0, 2, 0, 9, 0.0001),
('m', 's1', 'm', 's2', 'b', 'all', 0, 0, 0, 1, 1), ('m', 's1', 'm', 's3', 'a', 'all', 0, 0, 0, 1, 1);
insert into neuron_patterns (
    model, checkpoint, site, scope, layer, neuron, kind, pole, pattern_text, mined_k, mined_lift, mined_g2, mined_q_value
) values
('m', 's1', 'hidden', 'a', 0, 1, 'word', 'top', 'one', 5, 2, 1, 0.01), ('m', 's1', 'hidden', 'a', 0, 1, 'word', 'top', 'two', 5, 2, 3, 0.05),
('m', 's1', 'hidden', 'a', 0, 1, 'tag', 'top', 'NN', 5, 2, 2, 0.01), ('m', 's1', 'hidden', 'a', 0, 1, 'word', 'top', 'four', 5, 2, 0.5, 0.01),
('m', 's1', 'hidden', 'a', 0, 1, 'word', 'top', 'unsure', 5, 2, 9, 0.06), ('m', 's1', 'hidden', 'a', 0, 1, 'word', 'top', 'no more', 5, 1, 9, 0.01),
('m', 's1', 'hidden', 'a', 0, 1, 'word', 'bottom', 'low', 5, 2, 9, 0.01), ('m', 's1', 'ffn', 'a', 0, 1, 'word', 'top', 'inner', 5, 2, 9, 0.01),
('m', 's1', 'hidden', 'a+b', 0, 1, 'word', 'top', 'one', 5, 2, 2.5, 0.01), ('m', 's2', 'hidden', 'a', 0, 1, 'word', 'top', 'new', 5, 2, 1, 0.01);

-- `one` of two scopes counts by its higher g2
select split, rank, neuron, mean_change, standardised_change, patterns_before, patterns_after
from moved_neurons('m', 's1', 'm', 's2', 'a', 9) order by rank;
values
('all', 1, 1, -1, 1, ['word: two', 'word: one', 'tag: NN'], ['word: new']),
('all', 2, 0, 0.5, 0.5, [], []), ('all', 3, 2, 0, null, [], []);
select rank, neuron from moved_neurons('m', 's1', 'm', 's2', 'a', 1);
values (1, 1);
