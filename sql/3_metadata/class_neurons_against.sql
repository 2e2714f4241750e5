-- The rows of class_neurons, with the neurons' metadata values compared elsewhere.
-- grain: neuron x pole x key, per model, checkpoint, site and corpus
-- metadata: name of a table or view with the columns of neuron_metadata
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- key: metadata key
-- value: the commonest value among the pole's sentences
-- share: share of the pole's sentences with it
-- corpus_share: share of the corpus's sentences with it
-- lift: share / corpus_share
-- g2: log-likelihood ratio
-- q_value: Benjamini-Hochberg over all values of the corpus, per pole: see neuron_metadata
create macro class_neurons_against(metadata) as table
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
from query_table(metadata)
qualify row_number() over (
    partition by model, checkpoint, site, corpus, layer, neuron, pole, key
    order by share desc, value asc
) = 1;
