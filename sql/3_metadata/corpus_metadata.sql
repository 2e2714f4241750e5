-- How many sentences that counted for a model carry each metadata value.
-- grain: key x value, per model, checkpoint and corpus
-- columns: model, checkpoint, corpus, key
-- value: its value
-- columns: corpus_support, n_sentences
-- n_tested: values of all keys in the corpus, each of which is compared with every neuron's sentences
create view corpus_metadata as
with supports as (
    select
        tokens.model,
        tokens.checkpoint,
        tokens.corpus,
        metadata.key,
        metadata.value,
        count(*) as corpus_support
    from sentence_tokens as tokens
    inner join sentence_metadata as metadata
        on tokens.sentence_id = metadata.sentence_id and tokens.corpus = metadata.corpus
    group by tokens.model, tokens.checkpoint, tokens.corpus, metadata.key, metadata.value
)

select
    supports.*,
    sizes.n_sentences,
    count(*) over (
        partition by supports.model, supports.checkpoint, supports.corpus
    ) as n_tested
from supports
inner join corpus_sizes as sizes using (model, checkpoint, corpus);
