-- Every word of every annotated sentence with its tag; those without a letter or digit left out.
-- grain: sentence x annotator x word
-- columns: sentence_id, corpus, annotator, word, tag, class
create view annotated_words as
select
    *,
    tag_class(tag) as class
from (
    select
        sentence_id,
        corpus,
        annotator,
        unnest(words) as word,
        unnest(tags) as tag
    from annotations
) as words
where regexp_matches(word, '[\p{L}\p{N}]');
