-- Of corpus a two sentences are kept: of three for m, so that what comes third of a and b may be the third of a, which
-- nobody knows; of two for n. Of b all are kept.
insert into sentences (sentence_id, corpus, text) values (1, 'a', 'one'), (2, 'a', 'two'), (9, 'b', 'nine');
insert into sentence_tokens (model, checkpoint, corpus, sentence_id, n_tokens) values
('m', 's', 'a', 1, 4), ('m', 's', 'a', 2, 6), ('m', 's', 'a', 3, 6), ('m', 's', 'b', 9, 4),
('n', 's', 'a', 1, 4), ('n', 's', 'a', 2, 6), ('n', 's', 'b', 9, 4);
insert into neuron_topk (model, checkpoint, site, corpus, layer, neuron, pole, rank, sentence_id, activation) values
('m', 's', 'ffn', 'a', 0, 0, 'top', 1, 2, 9), ('m', 's', 'ffn', 'a', 0, 0, 'top', 2, 1, 8),
('m', 's', 'ffn', 'b', 0, 0, 'top', 1, 9, 1),
('n', 's', 'ffn', 'a', 0, 0, 'top', 1, 2, 9), ('n', 's', 'ffn', 'a', 0, 0, 'top', 2, 1, 8),
('n', 's', 'ffn', 'b', 0, 0, 'top', 1, 9, 1);

select model, rank, sentence_id from top_sentences(['a', 'b'], 3) order by all;
values ('m', 1, 2), ('m', 2, 1), ('n', 1, 2), ('n', 2, 1), ('n', 3, 9);
select model, rank, sentence_id from top_sentences(['b'], 3) order by all;
values ('m', 1, 9), ('n', 1, 9);
