-- Share of each part of speech among the words of a neuron's top (bottom) sentences, beside its share in the corpus.
-- grain: neuron x pole x tag of the corpus, per model, checkpoint, site, corpus and annotator
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- annotator: what found words and tags
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- tag: Penn part-of-speech tag
-- words: words of the pole's sentences with the tag
-- share: words / all words of the pole's sentences
-- corpus_words: words of the corpus with the tag, in sentences that counted for the model
-- corpus_share: corpus_words / all words of these
-- class: noun, verb, adjective, adverb … (macro tag_class)
-- lift: share / corpus_share
create view neuron_tag_distribution as
with of_neurons as (
    select
        topk.model,
        topk.checkpoint,
        topk.site,
        topk.corpus,
        tags.annotator,
        topk.layer,
        topk.neuron,
        topk.pole,
        tags.tag,
        sum(tags.words)::bigint as words
    from neuron_topk as topk
    inner join sentence_tags as tags
        on topk.sentence_id = tags.sentence_id and topk.corpus = tags.corpus
    group by
        topk.model, topk.checkpoint, topk.site, topk.corpus, tags.annotator, topk.layer, topk.neuron, topk.pole,
        tags.tag
),

of_corpora as (
    select
        tokens.model,
        tokens.checkpoint,
        tokens.corpus,
        tags.annotator,
        tags.tag,
        sum(tags.words)::bigint as corpus_words
    from sentence_tokens as tokens
    inner join sentence_tags as tags
        on tokens.sentence_id = tags.sentence_id and tokens.corpus = tags.corpus
    group by tokens.model, tokens.checkpoint, tokens.corpus, tags.annotator, tags.tag
),

corpus_shares as (
    select
        of_corpora.*,
        corpus_words / sum(corpus_words) over (partition by model, checkpoint, corpus, annotator) as corpus_share
    from of_corpora
),

neurons as (
    select distinct
        model,
        checkpoint,
        site,
        corpus,
        annotator,
        layer,
        neuron,
        pole
    from of_neurons
),

every_tag as (
    select
        neurons.*,
        corpus_shares.tag,
        corpus_shares.corpus_words,
        corpus_shares.corpus_share,
        coalesce(of_neurons.words, 0) as words
    from neurons
    inner join corpus_shares using (model, checkpoint, corpus, annotator)
    left join of_neurons using (model, checkpoint, site, corpus, annotator, layer, neuron, pole, tag)
),

shares as (
    select
        every_tag.*,
        words / sum(words) over (
            partition by model, checkpoint, site, corpus, annotator, layer, neuron, pole
        ) as share
    from every_tag
)

select
    model,
    checkpoint,
    site,
    corpus,
    annotator,
    layer,
    neuron,
    pole,
    tag,
    words,
    share,
    corpus_words,
    corpus_share,
    tag_class(tag) as class,
    share / corpus_share as lift
from shares;
