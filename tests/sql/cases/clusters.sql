-- Of four neurons, 0 and 1 are one group, 2 and 3 another. `cat` has a q-value too high for neuron 2, `dog` a lift that
-- is not above 1; all have `the`. Sentences of corpus b are not what the scope is about.
insert into neuron_clusters (model, checkpoint, site, scope, layer, neuron, k, cluster) values
('m', 's', 'ffn', 'a', 0, 0, 2, 0), ('m', 's', 'ffn', 'a', 0, 1, 2, 0), ('m', 's', 'ffn', 'a', 0, 2, 2, 1),
('m', 's', 'ffn', 'a', 0, 3, 2, 1), ('m', 's', 'ffn', 'a', 1, 0, 1, 0);
insert into neuron_patterns (
    model, checkpoint, site, scope, layer, neuron, kind, pole, pattern_text, lift, q_value
) values
('m', 's', 'ffn', 'a', 0, 0, 'word', 'top', 'cat', 2, 0.05), ('m', 's', 'ffn', 'a', 0, 1, 'word', 'top', 'cat', 2, 0.01),
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'cat', 2, 0.06), ('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'dog', 1, 0.01),
('m', 's', 'ffn', 'a', 0, 3, 'word', 'bottom', 'cat', 2, 0.01), ('m', 's', 'ffn', 'a', 1, 0, 'word', 'top', 'cat', 2, 0.01),
('m', 's', 'ffn', 'a', 0, 0, 'word', 'top', 'the', 2, 0.01), ('m', 's', 'ffn', 'a', 0, 1, 'word', 'top', 'the', 2, 0.01),
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'the', 2, 0.01), ('m', 's', 'ffn', 'a', 0, 3, 'word', 'top', 'the', 2, 0.01);
insert into neuron_metadata (model, checkpoint, site, corpus, layer, neuron, pole, key, value, lift, q_value) values
('m', 's', 'ffn', 'a', 0, 2, 'top', 'author', 'ann', 2, 0.01), ('m', 's', 'ffn', 'b', 0, 3, 'top', 'author', 'ann', 2, 0.01);

-- `cat`: 2 of 2 against 0 of 2; ann: 1 of 2 against 0 of 2, expected 1/2, 3/2, 1/2 and 3/2
select layer, cluster, rank, kind, pattern, n_with, n_neurons, share, others_share, g2 from cluster_profile order by all;
values
(0, 0, 1, 'word', 'cat', 2, 2, 1, 0, 2 * (2 * ln(2) + 2 * ln(2))),
(0, 1, 1, 'metadata', 'author = ann', 1, 2, 0.5, 0, 2 * (ln(2) + ln(2 / 3) + 2 * ln(4 / 3)));

-- with the cat of neuron 2 the word is in 2 of 2 and 1 of 2
select cluster, rank, pattern, n_with, share, others_share from cluster_profile_at(0.06, 0.9) order by all;
values
(0, 1, 'cat', 2, 1, 0.5), (1, 1, 'author = ann', 1, 0.5, 0), (1, 2, 'dog', 1, 0.5, 0);
