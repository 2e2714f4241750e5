-- For each metadata key the value that most of a neuron's top (bottom) sentences have: neurons that act like
-- classifiers have a high share with a high lift, a low q-value and an AUROC far above 0.5.
-- grain: neuron x pole x key, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, key
-- value: the commonest value among the pole's sentences
-- share: share of the pole's sentences with it
-- corpus_share: share of the corpus's sentences with it
-- lift: share / corpus_share
-- columns: g2
-- q_value: Benjamini-Hochberg over all values of all keys of the corpus, per neuron and pole: see neuron_metadata
-- columns: auroc, auroc_low, auroc_high
-- share_low: lower bound of share (see metadata_detectors)
-- share_high: upper bound of share
-- recall: share of the corpus's sentences with it that are among the pole's
create view class_neurons as
select
    * exclude (
        support, documents, k, place, corpus_support, n_sentences, p_value, sample_support, n_sampled, recall_low,
        recall_high
    )
from metadata_detectors
where place = 1;
