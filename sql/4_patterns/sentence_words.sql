-- The words of every annotated sentence by word class, each once.
-- grain: sentence x annotator x class x word
-- sentence_id: the sentence
-- corpus: its corpus
-- annotator: what found words and tags
-- class: noun, verb, adjective, adverb … (macro tag_class)
-- word: the word as it stands
create view sentence_words as
select distinct
    sentence_id,
    corpus,
    annotator,
    class,
    word
from annotated_words;
