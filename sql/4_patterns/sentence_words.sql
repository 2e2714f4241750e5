-- The words of every annotated sentence by word class, each once.
-- grain: sentence x annotator x class x word
-- columns: sentence_id, corpus, annotator, class, word
create view sentence_words as
select distinct
    sentence_id,
    corpus,
    annotator,
    class,
    word
from annotated_words;
