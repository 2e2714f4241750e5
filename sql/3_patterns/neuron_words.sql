-- Nouns, verbs and adjectives of a neuron's top (bottom) sentences against the corpus: typical ones have a high lift
-- with a low q-value.
-- grain: neuron x pole x class x word found among its sentences, per model, checkpoint, site, corpus and annotator
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
create view neuron_words as
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
    q_value
from neuron_words_against('word_supports', 'corpus_words');
