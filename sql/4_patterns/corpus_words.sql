-- How many sentences that counted for a model have each word, by its class.
-- grain: class x word, per model, checkpoint, corpus and annotator
-- columns: model, checkpoint, corpus, annotator, class, word, corpus_support, n_sentences
-- n_tested: words of the class in the corpus, each of which is compared with every neuron's sentences
create view corpus_words as
with supports as (
    select
        tokens.model,
        tokens.checkpoint,
        tokens.corpus,
        words.annotator,
        words.class,
        words.word,
        count(*) as corpus_support
    from sentence_tokens as tokens
    inner join sentence_words as words
        on tokens.sentence_id = words.sentence_id and tokens.corpus = words.corpus
    group by tokens.model, tokens.checkpoint, tokens.corpus, words.annotator, words.class, words.word
)

select
    supports.*,
    sizes.n_sentences,
    count(*) over (
        partition by supports.model, supports.checkpoint, supports.corpus, supports.annotator, supports.class
    ) as n_tested
from supports
inner join corpus_sizes as sizes using (model, checkpoint, corpus);
