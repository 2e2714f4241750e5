-- The rows of neuron_tag_distribution, with the tags of the neurons' sentences and of the corpora counted elsewhere:
-- whoever asks about many neurons counts them once.
-- grain: neuron x pole x tag of the corpus, per model, checkpoint, site, corpus and annotator
-- own: name of a table or view with the columns of neuron_tags
-- counts: name of a table or view with the columns of corpus_tags
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
create macro neuron_tag_distribution_against(own, counts) as table
with of_neurons as (
    select *
    from query_table(own)
),

corpus_shares as (
    select
        whole.*,
        corpus_words / sum(corpus_words) over (partition by model, checkpoint, corpus, annotator) as corpus_share
    from query_table(counts) as whole
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
