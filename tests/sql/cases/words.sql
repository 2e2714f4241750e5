-- The third sentence did not count for the model.
insert into annotations (sentence_id, corpus, annotator, words, tags) values
(1, 'a', 'x', ['The', 'cat', 'sees', 'the', 'cat', '.'], ['DT', 'NN', 'VBZ', 'DT', 'NN', '.']),
(2, 'a', 'x', ['cat', 'cat'], ['NN', 'VB']),
(3, 'a', 'x', ['dog'], ['NN']);
insert into sentence_tokens (model, checkpoint, corpus, sentence_id, n_tokens) values
('m', 's', 'a', 1, 6), ('m', 's', 'a', 2, 3);
insert into corpus_vocabulary (
    model, checkpoint, site, corpus, annotator, class, word, corpus_support, n_sentences, n_tested
) values
('m', 's', 'ffn', 'a', 'x', 'noun', 'cat', 2, 2, 1), ('m', 's', 'hidden', 'a', 'x', 'noun', 'cat', 2, 2, 1),
('m', 's', 'ffn', 'a', 'x', 'verb', 'sees', 1, 2, 2), ('m', 's', 'ffn', 'a', 'x', 'verb', 'cat', 1, 2, 2);

select word, tag, class from annotated_words where sentence_id = 1 order by all;
values
('The', 'DT', 'determiner'), ('cat', 'NN', 'noun'), ('cat', 'NN', 'noun'), ('sees', 'VBZ', 'verb'),
('the', 'DT', 'determiner');

from sentence_words where sentence_id < 3 order by all;
values
(1, 'a', 'x', 'determiner', 'The'), (1, 'a', 'x', 'determiner', 'the'), (1, 'a', 'x', 'noun', 'cat'),
(1, 'a', 'x', 'verb', 'sees'), (2, 'a', 'x', 'noun', 'cat'), (2, 'a', 'x', 'verb', 'cat');

from sentence_tags where sentence_id = 1 order by all;
values (1, 'a', 'x', 'DT', 2), (1, 'a', 'x', 'NN', 2), (1, 'a', 'x', 'VBZ', 1);

from corpus_tags order by all;
values
('m', 's', 'a', 'x', 'DT', 2), ('m', 's', 'a', 'x', 'NN', 3), ('m', 's', 'a', 'x', 'VB', 1),
('m', 's', 'a', 'x', 'VBZ', 1);

-- both sites have stored the corpus's words
from corpus_words order by all;
values
('m', 's', 'a', 'x', 'noun', 'cat', 2, 2, 1), ('m', 's', 'a', 'x', 'verb', 'cat', 1, 2, 2),
('m', 's', 'a', 'x', 'verb', 'sees', 1, 2, 2);

select tag_class(tag) from (
    values ('NNPS'), ('VBG'), ('JJR'), ('RBS'), ('PRP$'), ('WP'), ('WDT'), ('TO'), ('CC'), ('CD'), ('MD'), ('WRB'), ('UH')
) as tags (tag);
values
('noun'), ('verb'), ('adjective'), ('adverb'), ('pronoun'), ('pronoun'), ('determiner'), ('preposition'),
('conjunction'), ('number'), ('modal'), ('other'), ('other');
