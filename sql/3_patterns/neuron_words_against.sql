-- The rows of neuron_words, with the words of the neurons' sentences and of the corpora counted elsewhere: whoever asks
-- about many neurons counts them once.
-- grain: neuron x pole x class x word found among its sentences, per model, checkpoint, site, corpus and annotator
-- supports: name of a table or view with the columns of word_supports
-- counts: name of a table or view with the columns of corpus_words
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- annotator: what found words and tags
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- class: noun (NN*), verb (VB*) or adjective (JJ*)
-- word: the word as it stands
-- support: sentences of the pole with the word in this class
-- k: sentences of the pole
-- corpus_support: sentences of the corpus with it, among those that counted for the model
-- n_sentences: sentences of the corpus that counted for the model
-- lift: (support / k) / (corpus_support / n_sentences)
-- g2: log-likelihood ratio of the pole's sentences against the corpus's others
-- p_value: of g2, two-sided: chi-square with one degree of freedom, Fisher's exact where a cell's expected count is
--   below 1
-- n_tested: words of the class in the corpus
-- q_value: Benjamini-Hochberg over all of the corpus's words of the class, per pole; p of those not found counts as 1
create macro neuron_words_against(supports, counts) as table
with tests as (
    select
        own.*,
        whole.corpus_support,
        whole.n_sentences,
        whole.n_tested,
        (support / k) / (corpus_support / n_sentences) as lift,
        log_likelihood_ratio(support, k, corpus_support, n_sentences) as g2
    from query_table(supports) as own
    inner join query_table(counts) as whole using (model, checkpoint, corpus, annotator, class, word)
),

valued as (
    select
        tests.*,
        counts_p(support, k, corpus_support, n_sentences, g2) as p_value
    from tests
),

ranked as (
    select
        valued.*,
        count(*) over (
            partition by model, checkpoint, site, corpus, annotator, layer, neuron, pole, class
            order by p_value
            range between unbounded preceding and current row
        ) as last_place
    from valued
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
    class,
    word,
    support,
    k,
    corpus_support,
    n_sentences,
    lift,
    g2,
    p_value,
    n_tested,
    least(1, min(p_value * n_tested / last_place) over (
        partition by model, checkpoint, site, corpus, annotator, layer, neuron, pole, class
        order by p_value desc
        range between unbounded preceding and current row
    )) as q_value
from ranked;
