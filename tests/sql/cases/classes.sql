-- ffn 0 and 1 fire at no token, 2 does; of hidden, 0 never varies and 1, though never above 0, does.
insert into neuron_stats (model, checkpoint, site, corpus, layer, neuron, std, max_token, share_positive) values
('m', 's', 'ffn', 'a', 0, 0, 1, 0, 0), ('m', 's', 'ffn', 'a', 0, 1, 1, -0.1, 0), ('m', 's', 'ffn', 'a', 0, 2, 1, 0.1, 0.25),
('m', 's', 'hidden', 'a', 0, 0, 0, 3, 1), ('m', 's', 'hidden', 'a', 0, 1, 1, -1, 0);
-- of one length the most telling: `cat`; `the cat` is over-represented too little
insert into neuron_patterns (
    model, checkpoint, site, scope, layer, neuron, kind, pole, pattern_text, length, support, k, lift, g2, q_value
) values
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'dog', 1, 9, 10, 2, 5, 0.05), ('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'cat', 1, 5, 10, 2, 6, 0.05),
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'the cat', 2, 5, 10, 1.9, 9, 0.01), ('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'a cat', 2, 5, 10, 2.5, 4, 0.01),
('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'rare', 1, 4, 10, 9, 9, 0.01), ('m', 's', 'ffn', 'a', 0, 2, 'word', 'bottom', 'low', 1, 9, 10, 9, 9, 0.01),
('m', 's', 'ffn', 'a', 0, 2, 'tag', 'top', 'NN', 1, 9, 10, 9, 9, 0.01), ('m', 's', 'ffn', 'a', 0, 2, 'word', 'top', 'unsure', 1, 9, 10, 9, 9, 0.06);
insert into neuron_profiles (model, checkpoint, site, corpus, layer, neuron, pole, length_r2) values
('m', 's', 'ffn', 'a', 0, 2, 'top', 0.5), ('m', 's', 'ffn', 'a', 0, 2, 'bottom', 0.5), ('m', 's', 'ffn', 'a', 0, 3, 'top', 0.4);
-- the commonest value is at place 1; of `author` no top sentence has any
insert into neuron_metadata (
    model, checkpoint, site, corpus, layer, neuron, pole, key, value, support, place, share, corpus_share, lift, g2, q_value
) values
('m', 's', 'ffn', 'a', 0, 2, 'top', 'topic', 'news', 8, 1, 0.8, 0.4, 2, 7, 0.01), ('m', 's', 'ffn', 'a', 0, 2, 'top', 'topic', 'law', 2, 2, 0.2, 0.2, 1, 0, 1),
('m', 's', 'ffn', 'a', 0, 2, 'top', 'year', '1990', 9, 1, 0.9, 0.45, 2, 8, 0.01), ('m', 's', 'ffn', 'a', 0, 2, 'top', 'author', 'ann', 0, 1, 0, 0.1, 0, 2, 0.5),
('m', 's', 'ffn', 'a', 0, 3, 'top', 'topic', 'law', 8, 1, 0.8, 0.6, 1.25, 3, 0.01);
insert into neuron_metadata (
    model, checkpoint, site, corpus, layer, neuron, pole, key, value, support, k, place, corpus_support, lift, q_value, auroc,
    auroc_low, auroc_high
) values ('m', 's', 'ffn', 'a', 0, 4, 'top', 'topic', 'tax', 2, 10, 2, 4, 1.5, 1, 0.75, 0.5, 0.875);
-- of layer 1, 0 is an entropy neuron; 1 varies too much, 2 is too small, 3 is read well; 4 and 5 follow frequency
insert into neuron_weights (model, checkpoint, layer, neuron, write_norm, logit_variance, null_share, frequency_correlation) values
('w', 's', 1, 0, 2, 0.25, 0.75, 0.4), ('w', 's', 1, 1, 2, 0.75, 0.75, null), ('w', 's', 1, 2, 0.5, 0.25, 0.75, 0), ('w', 's', 1, 3, 2, 0.5, 0.25, 0),
('w', 's', 1, 4, 1, 2, 0.25, 0.5), ('w', 's', 1, 5, 1, 1, 0.25, -0.75), ('w', 's', 1, 6, 1, 1, 0.25, 0), ('w', 's', 1, 7, 1, 1, 0.25, 0);

select neuron, key, value, share, corpus_share, lift, g2, q_value from class_neurons order by all;
values
(2, 'topic', 'news', 0.8, 0.4, 2, 7, 0.01), (2, 'year', '1990', 0.9, 0.45, 2, 8, 0.01), (3, 'topic', 'law', 0.8, 0.6, 1.25, 3, 0.01);

-- those that some top sentence has, whatever their place; what was not counted in the sample is null
select neuron, value, place, share_low, share_high, recall, recall_low, recall_high, auroc, auroc_low, auroc_high
from metadata_detectors where neuron = 4 or place = 2 order by all;
values
(2, 'law', 2, null, null, null, null, null, null, null, null),
(
    4, 'tax', 2, wilson_bound(2, 10, -1.96), wilson_bound(2, 10, 1.96), 0.5, wilson_bound(2, 4, -1.96), wilson_bound(2, 4, 1.96),
    0.75, 0.5, 0.875
);
select neuron, count(*) from metadata_detectors group by neuron order by neuron;
values (2, 3), (3, 1), (4, 1);

select site, scope, neuron, class, evidence, share, lift, q_value from neuron_classes where model = 'm' order by site, neuron, class;
values
('ffn', 'a', 0, 'dead', 'highest activation of a token', 1, null, null),
('ffn', 'a', 1, 'dead', 'highest activation of a token', 1, null, null),
('ffn', 'a', 2, 'class-selective', 'year=1990', 0.9, 2, 0.01),
('ffn', 'a', 2, 'n-gram detector', 'a cat', 0.5, 2.5, 0.01),
('ffn', 'a', 2, 'positional', 'number of tokens', 0.5, null, null),
('ffn', 'a', 2, 'token detector', 'cat', 0.5, 2, 0.05),
('hidden', 'a', 0, 'dead', 'highest activation of a token', 0, null, null);

select neuron, class, evidence from neuron_classes_at(
    dead_max := -0.1, detector_share := 0.9, detector_lift := 1, position_r2 := 0.4, class_lift := 1.25, max_q := 0.1
) where site = 'ffn' and model = 'm' order by all;
values
(1, 'dead', 'highest activation of a token'), (2, 'class-selective', 'year=1990'),
(2, 'positional', 'number of tokens'), (2, 'token detector', 'unsure'), (3, 'class-selective', 'topic=law'),
(3, 'positional', 'number of tokens');

select site, scope, layer, neuron, class, evidence, share from neuron_classes where model = 'w' order by neuron;
values
('ffn', null, 1, 0, 'entropy', 'output weights that the unembedding hardly reads', 0.75),
('ffn', null, 1, 4, 'token frequency', 'raises frequent tokens', 0.25),
('ffn', null, 1, 5, 'token frequency', 'lowers frequent tokens', 0.5625);
select neuron, class from neuron_classes_at(entropy_null_share := 0.25, entropy_variance := 0.75, frequency_r := 0.4)
where model = 'w' order by neuron, class;
values (0, 'entropy'), (0, 'token frequency'), (3, 'entropy'), (4, 'token frequency'), (5, 'token frequency');
