-- For each metadata key the value that most of a neuron's top (bottom) sentences have: neurons that act like
-- classifiers have a high share with a high lift and a low q-value.
-- grain: neuron x pole x key, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, key
-- value: the commonest value among the pole's sentences
-- share: share of the pole's sentences with it
-- corpus_share: share of the corpus's sentences with it
-- lift: share / corpus_share
-- columns: g2
-- q_value: Benjamini-Hochberg over all values of all keys of the corpus, per neuron and pole: see neuron_metadata
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
    corpus_share,
    lift,
    g2,
    q_value
from neuron_metadata
where place = 1 and support > 0;
