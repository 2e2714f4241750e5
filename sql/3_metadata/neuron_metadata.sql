-- Share of each metadata value among a neuron's top (bottom) sentences against its share in the corpus. A pole whose
-- sentences all have the same activation (a dead neuron's) has no rows: ties fall to the lower sentence_id, so its
-- sentences are the first of the corpus, and what they share says nothing about the neuron.
-- grain: neuron x pole x key x value found among its sentences, per model, checkpoint, site and corpus
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
create view neuron_metadata as
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
    q_value
from neuron_metadata_against('metadata_supports', 'corpus_metadata');
