-- 0/1 is twice 0/0, 1/0 its opposite in corpus a, 1/1 never varies.
insert into neuron_samples (model, checkpoint, site, corpus, layer, neuron, n_sampled, mean, std, activations) values
('m', 's', 'ffn', 'a', 0, 0, 2, 1, 1, [0, 2]), ('m', 's', 'ffn', 'b', 0, 0, 1, 10, 0, [10]),
('m', 's', 'ffn', 'a', 0, 1, 2, 2, 2, [0, 4]), ('m', 's', 'ffn', 'b', 0, 1, 1, 20, 0, [20]),
('m', 's', 'ffn', 'a', 1, 0, 2, 1, 1, [2, 0]), ('m', 's', 'ffn', 'b', 1, 0, 1, 1, 0, [1]),
('m', 's', 'ffn', 'a', 1, 1, 2, 5, 0, [5, 5]), ('m', 's', 'ffn', 'b', 1, 1, 1, 5, 0, [5]),
('m', 's', 'hidden', 'a', 0, 1, 2, 1, 1, [0, 2]);

from similar_neurons('m', 's', 'ffn', 0, 0, 9, corpora := ['a']);
values (0, 1, 2, 1), (1, 0, 2, -1);
-- 0, 2, 10 against 2, 0, 1: deviations -4, -2, 6 and 1, -1, 0
from similar_neurons('m', 's', 'ffn', 0, 0, 9);
values (0, 1, 3, 1), (1, 0, 3, -2 / sqrt(56 * 2));
select neuron from similar_neurons('m', 's', 'ffn', 0, 0, 1);
values (1);
-- one that does not vary is like none
select count(*) from similar_neurons('m', 's', 'ffn', 1, 1, 9);
values (0);
-- hidden has the same sentences of a sampled, and another of b
insert into activation_sample (model, checkpoint, site, corpus, sentence_id, layer, activations) values
('m', 's', 'ffn', 'a', 1, 0, [0, 0]), ('m', 's', 'ffn', 'a', 2, 0, [2, 4]),
('m', 's', 'hidden', 'a', 1, 1, [0, 0]), ('m', 's', 'hidden', 'a', 2, 1, [0, 2]),
('m', 's', 'ffn', 'b', 3, 0, [10, 20]), ('m', 's', 'hidden', 'b', 4, 1, [1, 1]);
insert into neuron_samples (model, checkpoint, site, corpus, layer, neuron, n_sampled, mean, std, activations) values
('m', 's', 'hidden', 'a', 0, 0, 2, 1, 1, [2, 0]), ('m', 's', 'hidden', 'b', 0, 1, 1, 9, 0, [9]);
from similar_neurons('m', 's', 'ffn', 0, 0, 9, other_site := 'hidden');
values (0, 1, 2, 1), (0, 0, 2, -1);
select count(*) from similar_neurons('m', 's', 'ffn', 0, 0, 9, corpora := ['b'], other_site := 'hidden');
values (0);
select neuron from similar_neurons('m', 's', 'hidden', 0, 1, 9, corpora := ['a'], other_site := 'ffn');
values (0), (1), (0);
