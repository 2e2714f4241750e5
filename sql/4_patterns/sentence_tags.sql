-- How often each Penn tag stands in an annotated sentence.
-- grain: sentence x annotator x tag
-- sentence_id: the sentence
-- corpus: its corpus
-- annotator: what found words and tags
-- tag: Penn part-of-speech tag
-- words: words of the sentence with the tag
create view sentence_tags as
select
    sentence_id,
    corpus,
    annotator,
    tag,
    count(*) as words
from annotated_words
group by sentence_id, corpus, annotator, tag;
