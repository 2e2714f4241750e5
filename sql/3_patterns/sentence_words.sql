-- The nouns, verbs and adjectives of every annotated sentence, each once.
-- grain: sentence x annotator x class x word
-- sentence_id: the sentence
-- corpus: its corpus
-- annotator: what found words and tags
-- class: noun (NN*), verb (VB*) or adjective (JJ*)
-- word: the word as it stands
create view sentence_words as
select distinct
    sentence_id,
    corpus,
    annotator,
    class,
    word
from annotated_words
where class in ('noun', 'verb', 'adjective');
