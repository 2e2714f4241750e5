-- Neuron 0 has the same two sentences in another order, neuron 1 ties at checkpoint s2, neuron 2 has one in common.
insert into neuron_topk (model, checkpoint, site, corpus, layer, neuron, pole, rank, sentence_id, activation) values
('m', 's1', 'ffn', 'a', 0, 0, 'top', 1, 11, 0.9), ('m', 's1', 'ffn', 'a', 0, 0, 'top', 2, 12, 0.8),
('m', 's1', 'ffn', 'a', 0, 1, 'top', 1, 11, 0.9), ('m', 's1', 'ffn', 'a', 0, 1, 'top', 2, 12, 0.8),
('m', 's1', 'ffn', 'a', 0, 2, 'top', 1, 11, 0.9), ('m', 's1', 'ffn', 'a', 0, 2, 'top', 2, 13, 0.8),
('m', 's2', 'ffn', 'a', 0, 0, 'top', 1, 12, 0.9), ('m', 's2', 'ffn', 'a', 0, 0, 'top', 2, 11, 0.8),
('m', 's2', 'ffn', 'a', 0, 1, 'top', 1, 11, 0.7), ('m', 's2', 'ffn', 'a', 0, 1, 'top', 2, 12, 0.7),
('m', 's2', 'ffn', 'a', 0, 2, 'top', 1, 11, 0.9), ('m', 's2', 'ffn', 'a', 0, 2, 'top', 2, 14, 0.8),
('m', 's2', 'ffn', 'a', 0, 3, 'top', 1, 15, 0.9), ('m', 's2', 'ffn', 'a', 0, 3, 'top', 2, 16, 0.8);

-- agreement at depths 1 and 2: 0 and 1; 1 and 1/2. RBO_ext = A2 p^2 + (1 - p) / p (A1 p + A2 p^2)
from neuron_overlap_at('m', 's1', 'm', 's2', 2, 0.5) order by neuron;
values ('ffn', 'a', 0, 0, 2, 2, 1, 0.5), ('ffn', 'a', 0, 2, 2, 1, 1 / 3, 1 / 8 + 1 / 2 + 1 / 8);
from neuron_overlap('m', 's1', 'm', 's2', 2) order by neuron;
values ('ffn', 'a', 0, 0, 2, 2, 1, 0.98), ('ffn', 'a', 0, 2, 2, 1, 1 / 3, 0.98 * 0.98 / 2 + 0.02 + 0.02 * 0.98 / 2);

-- those of s2 that have sentence 11 or 12; neuron 1 ties
select neuron, depth, shared, jaccard, rbo from overlapping_neurons_at('m', 's1', 'ffn', 0, 0, 2, 0.5)
where checkpoint = 's2' order by neuron;
values (0, 2, 2, 1, 0.5), (2, 2, 1, 1 / 3, 3 / 4);
select checkpoint, neuron, rbo from overlapping_neurons('m', 's1', 'ffn', 0, 0, 2) order by all;
values ('s1', 1, 1), ('s1', 2, 0.98 * 0.98 / 2 + 0.02 + 0.02 * 0.98 / 2), ('s2', 0, 0.98), ('s2', 2, 0.98 * 0.98 / 2 + 0.02 + 0.02 * 0.98 / 2);
-- one that ties overlaps with nothing
select count(*) from overlapping_neurons('m', 's2', 'ffn', 0, 1, 2);
values (0);
