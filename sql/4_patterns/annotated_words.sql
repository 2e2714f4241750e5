-- Every word of every annotated sentence with its tag; those without a letter or digit left out.
-- grain: sentence x annotator x word
-- sentence_id: the sentence
-- corpus: its corpus
-- annotator: what found words and tags
-- word: the word as it stands
-- tag: its Penn part-of-speech tag
-- class: noun, verb, adjective, adverb … (macro tag_class)
create view annotated_words as
select
    sentence_id,
    corpus,
    annotator,
    word,
    tag,
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
