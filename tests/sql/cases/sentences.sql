insert into sentences (sentence_id, corpus, doc_id, position, n_words, text) values
(1, 'a', 'd1', 0, 3, 'one two three'), (2, 'a', 'd1', 1, 3, 'two three four'), (9, 'b', 'd7', 0, 4, 'far far far away');
insert into sentence_tokens (model, checkpoint, corpus, sentence_id, n_tokens) values
('m', 's', 'a', 1, 4), ('m', 's', 'a', 2, 6), ('m', 's', 'b', 9, 4), ('other', 's', 'a', 1, 3);
insert into sentence_metadata (sentence_id, corpus, key, value) values
(1, 'a', 'author', 'ann'), (2, 'a', 'author', 'bob'), (1, 'a', 'tag', 'x'), (2, 'a', 'tag', 'x');
insert into neuron_topk (
    model, checkpoint, site, corpus, layer, neuron, pole, rank, sentence_id, activation, token_position
) values
('m', 's', 'ffn', 'a', 0, 5, 'top', 1, 2, 0.5, 3), ('m', 's', 'ffn', 'a', 0, 5, 'top', 2, 1, 0.25, null),
('m', 's', 'ffn', 'b', 0, 5, 'top', 1, 9, 0.25, null),
('m', 's', 'ffn', 'a', 0, 5, 'bottom', 1, 1, 0.25, null), ('m', 's', 'ffn', 'b', 0, 5, 'bottom', 1, 9, -1, null);
insert into neuron_profiles (
    model, checkpoint, site, corpus, layer, neuron, pole, k, differ,
    mean_tokens, mean_words, corpus_mean_tokens, corpus_mean_words, length_r2
) values ('m', 's', 'ffn', 'a', 0, 5, 'top', 2, 1, 5, 3, 7, 4, null);

from corpus_sizes order by all;
values ('m', 's', 'a', 2), ('m', 's', 'b', 1), ('other', 's', 'a', 1);

from neuron_length;
values ('m', 's', 'ffn', 'a', 0, 5, 'top', 2, 5, 3, 7, 4);

from neuron_sentences where corpus = 'a' and pole = 'top' order by rank;
values
('m', 's', 'ffn', 'a', 0, 5, 'top', 1, 2, 0.5, 3, 'd1', 1, 'two three four', 3),
('m', 's', 'ffn', 'a', 0, 5, 'top', 2, 1, 0.25, null, 'd1', 0, 'one two three', 3);

-- 1 and 9 tie at the top: the lower sentence_id comes first
from top_sentences(['a', 'b'], 2) order by pole, rank;
values
('m', 's', 'ffn', 'b', 0, 5, 'bottom', 1, 9, -1, 'far far far away', 'd7'),
('m', 's', 'ffn', 'a', 0, 5, 'bottom', 2, 1, 0.25, 'one two three', 'd1'),
('m', 's', 'ffn', 'a', 0, 5, 'top', 1, 2, 0.5, 'two three four', 'd1'),
('m', 's', 'ffn', 'a', 0, 5, 'top', 2, 1, 0.25, 'one two three', 'd1');

select rank, corpus, sentence_id from top_sentences(['b'], 2) where pole = 'top';
values (1, 'b', 9);

from corpus_metadata order by all;
values
('m', 's', 'a', 'author', 'ann', 1, 2, 3), ('m', 's', 'a', 'author', 'bob', 1, 2, 3),
('m', 's', 'a', 'tag', 'x', 2, 2, 3),
('other', 's', 'a', 'author', 'ann', 1, 1, 2), ('other', 's', 'a', 'tag', 'x', 1, 1, 2);
