-- How often each Penn tag stands in an annotated sentence.
-- grain: sentence x annotator x tag
-- columns: sentence_id, corpus, annotator, tag
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
