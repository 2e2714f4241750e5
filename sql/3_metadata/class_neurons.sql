-- For each metadata key the value that most of a neuron's top (bottom) sentences have: neurons that act like
-- classifiers have a high share with a high lift, a low q-value and an AUROC far above 0.5.
-- grain: neuron x pole x key, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, key
-- value: the commonest value among the pole's sentences
-- share: share of the pole's sentences with it
-- share_low: lower bound of share (see metadata_detectors)
-- share_high: upper bound of share
-- corpus_share: share of the corpus's sentences with it
-- recall: share of the corpus's sentences with it that are among the pole's
-- lift: share / corpus_share
-- columns: g2
-- q_value: Benjamini-Hochberg over all values of all keys of the corpus, per neuron and pole: see neuron_metadata
-- columns: auroc, auroc_low, auroc_high
create view class_neurons as
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
    share,
    share_low,
    share_high,
    corpus_share,
    recall,
    lift,
    g2,
    q_value,
    auroc,
    auroc_low,
    auroc_high
from metadata_detectors
where place = 1;
