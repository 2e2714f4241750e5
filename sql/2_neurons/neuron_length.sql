-- How long a neuron's top and bottom sentences are, beside all sentences of the corpus that counted for the model.
-- grain: neuron x pole, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- k: sentences of the pole
-- mean_tokens: mean number of tokens of these, special tokens not counted
-- mean_words: mean number of words of these
-- corpus_mean_tokens: mean number of tokens of the corpus's sentences
-- corpus_mean_words: mean number of words of the corpus's sentences
create view neuron_length as
with lengths as (
    select
        counted.model,
        counted.checkpoint,
        counted.corpus,
        counted.sentence_id,
        counted.n_tokens,
        sentences.n_words
    from sentence_tokens as counted
    inner join sentences
        on counted.sentence_id = sentences.sentence_id and counted.corpus = sentences.corpus
),

of_corpora as (
    select
        model,
        checkpoint,
        corpus,
        avg(n_tokens) as corpus_mean_tokens,
        avg(n_words) as corpus_mean_words
    from lengths
    group by model, checkpoint, corpus
),

of_neurons as (
    select
        topk.model,
        topk.checkpoint,
        topk.site,
        topk.corpus,
        topk.layer,
        topk.neuron,
        topk.pole,
        count(*) as k,
        avg(lengths.n_tokens) as mean_tokens,
        avg(lengths.n_words) as mean_words
    from neuron_topk as topk
    inner join lengths
        on
            topk.sentence_id = lengths.sentence_id
            and topk.model = lengths.model
            and topk.checkpoint = lengths.checkpoint
            and topk.corpus = lengths.corpus
    group by topk.model, topk.checkpoint, topk.site, topk.corpus, topk.layer, topk.neuron, topk.pole
)

select
    of_neurons.*,
    of_corpora.corpus_mean_tokens,
    of_corpora.corpus_mean_words
from of_neurons
inner join of_corpora
    on
        of_neurons.model = of_corpora.model
        and of_neurons.checkpoint = of_corpora.checkpoint
        and of_neurons.corpus = of_corpora.corpus;
