-- The rows of neuron_metadata, with the values of the neurons' sentences and of the corpora counted elsewhere: whoever
-- asks about many neurons counts them once.
-- grain: neuron x pole x key x value found among its sentences, per model, checkpoint, site and corpus
-- supports: name of a table or view with the columns of metadata_supports
-- counts: name of a table or view with the columns of corpus_metadata
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- key: metadata key
-- value: its value
-- support: sentences of the pole with the value
-- k: sentences of the pole
-- share: support / k
-- corpus_support: sentences of the corpus with the value, among those that counted for the model
-- n_sentences: sentences of the corpus that counted for the model
-- corpus_share: corpus_support / n_sentences
-- lift: share / corpus_share
-- g2: log-likelihood ratio of the pole's sentences against the corpus's others
-- p_value: of g2, two-sided: chi-square with one degree of freedom, Fisher's exact where a cell's expected count is
--   below 1
-- n_tested: values of all keys in the corpus
-- q_value: Benjamini-Hochberg over all of the corpus's values of all keys, per pole; p of those not found counts as 1
create macro neuron_metadata_against(supports, counts) as table
with tests as (
    select
        own.*,
        whole.corpus_support,
        whole.n_sentences,
        whole.n_tested,
        support / k as share,
        corpus_support / n_sentences as corpus_share,
        (support / k) / (corpus_support / n_sentences) as lift,
        log_likelihood_ratio(support, k, corpus_support, n_sentences) as g2
    from query_table(supports) as own
    inner join query_table(counts) as whole using (model, checkpoint, corpus, key, value)
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
            partition by model, checkpoint, site, corpus, layer, neuron, pole
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
    layer,
    neuron,
    pole,
    key,
    value,
    support,
    k,
    share,
    corpus_support,
    n_sentences,
    corpus_share,
    lift,
    g2,
    p_value,
    n_tested,
    least(1, min(p_value * n_tested / last_place) over (
        partition by model, checkpoint, site, corpus, layer, neuron, pole
        order by p_value desc
        range between unbounded preceding and current row
    )) as q_value
from ranked;
