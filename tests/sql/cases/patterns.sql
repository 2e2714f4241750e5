-- Neuron 0 was mined by version 1, on all sentences, and is left out; `the king` of neuron 2 is frequent among all of its
-- sentences alone; one of neuron 3's words has a blank in it.
insert into neuron_patterns (
    model, checkpoint, site, scope, layer, neuron, kind, pole, pattern, pattern_text, length, support, k, lift, g2,
    q_value, mined_support, mined_k, mined_lift, mined_g2, mined_q_value, heldout_auroc
) values
('m', 's', 'ffn', 'a', 0, 0, 'word', 'top', ['the', 'king'], 'the king', 2, 5, 10, 2.5, 9, 0.5, 3, null, null, null, null, 0.75),
('m', 's', 'ffn', 'a', 0, 1, 'word', 'top', ['the', 'king'], 'the king', 2, 6, 10, 3, 8, 0.25, 2, 5, 1.5, 4, 0.125, 0.625),
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', ['the', 'king'], 'the king', 2, 2, 10, 2, 7, 0.5, 1, 5, null, null, null, null),
('m', 's', 'ffn', 'a', 0, 3, 'word', 'top', ['the king'], 'the king', 1, 2, 10, 2, 7, 0.5, 1, 5, 2, 1, 0.5, null),
('m', 's', 'ffn', 'a', 0, 4, 'tag', 'top', ['DT', 'NN'], 'DT NN', 2, 2, 10, 2, 7, 0.5, 1, 5, 2, 1, 0.5, null),
('m', 's', 'ffn', 'a', 0, 5, 'tree', 'top', ['(NP (DT) (NN))'], '(NP (DT) (NN))', 3, 2, 10, 2, 7, 0.5, 1, 5, 2, 1, 0.5, null);
insert into neuron_patterns (
    model, checkpoint, site, scope, layer, neuron, kind, pole, pattern, pattern_text, length, support, corpus_support, k,
    mined_support, mined_k, mined_q_value, auroc, sample_support, n_sampled
) values
('m', 's', 'ffn', 'a', 0, 6, 'word', 'top', ['an', 'old', 'king'], 'an old king', 3, 2, 8, 10, 1, 5, 0.5, 0.75, 5, 20);

select neuron, lift, mined_support, mined_lift, mined_g2, mined_q_value, heldout_auroc from mined_patterns
where kind = 'word' and length < 3 order by neuron;
values (1, 3, 2, 1.5, 4, 0.125, 0.625), (3, 2, 1, 2, 1, 0.5, null);

-- 4 of the other half's 5 have it; the area is (1 + 0.8 - 0.55) / 2
select neuron, heldout_share, heldout_others_share from mined_patterns where neuron < 4 order by neuron;
values (1, 0.8, 0.55), (3, 0.2, null);
select neuron, recall, auroc, auroc_low, auroc_high, sample_support, n_sampled from pattern_neurons('word', 'an old king');
values (6, 0.25, 0.75, auroc_bound(0.75, 5, 15, -1.96), auroc_bound(0.75, 5, 15, 1.96), 5, 20);

select neuron, pattern, support, k, lift, mined_q_value from pattern_neurons('word', 'the king') order by neuron;
values (1, ['the', 'king'], 6, 10, 3, 0.125);
select neuron from pattern_neurons('word', ['the', 'king']) order by neuron;
values (1);
select neuron from pattern_neurons('word', ['the king']);
values (3);
select neuron from pattern_neurons('tag', 'DT NN');
values (4);
select neuron from pattern_neurons('tree', '(NP (DT) (NN))');
values (5);
select neuron from pattern_neurons('tree', ['(NP (DT) (NN))']);
values (5);
select count(*) from pattern_neurons('word', 'king');
values (0);
