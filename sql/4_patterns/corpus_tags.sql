-- How often each Penn tag stands in the sentences of a corpus that counted for a model.
-- grain: tag, per model, checkpoint, corpus and annotator
-- columns: model, checkpoint, corpus, annotator, tag
-- corpus_words: words with the tag
create view corpus_tags as
select
    tokens.model,
    tokens.checkpoint,
    tokens.corpus,
    tags.annotator,
    tags.tag,
    sum(tags.words)::bigint as corpus_words
from sentence_tokens as tokens
inner join sentence_tags as tags using (corpus, sentence_id)
group by tokens.model, tokens.checkpoint, tokens.corpus, tags.annotator, tags.tag;
