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

select neuron, key, value, share, corpus_share, lift, g2, q_value from class_neurons order by all;
values
(2, 'topic', 'news', 0.8, 0.4, 2, 7, 0.01), (2, 'year', '1990', 0.9, 0.45, 2, 8, 0.01), (3, 'topic', 'law', 0.8, 0.6, 1.25, 3, 0.01);

select site, scope, neuron, class, evidence, share, lift, q_value from neuron_classes order by site, neuron, class;
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
) where site = 'ffn' order by all;
values
(1, 'dead', 'highest activation of a token'), (2, 'class-selective', 'year=1990'),
(2, 'positional', 'number of tokens'), (2, 'token detector', 'unsure'), (3, 'class-selective', 'topic=law'),
(3, 'positional', 'number of tokens');
