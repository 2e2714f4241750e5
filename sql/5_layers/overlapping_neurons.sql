-- Neurons of any model, checkpoint, site and layer whose k top sentences of a corpus are partly those of one neuron,
-- with a persistence of 0.98: the first 50 ranks weigh about two thirds (overlapping_neurons_at takes others).
-- grain: neuron that shares a sentence, per model, checkpoint, site and corpus
-- of_model: short name of the neuron's model
-- of_checkpoint: label of its checkpoint
-- of_site: hidden or ffn
-- of_layer: its block, from 0
-- of_neuron: its dimension, from 0
-- k: sentences compared per corpus, from 2, at most the K of the ingest. Sets that all tie (a dead neuron's) are left
--   out
-- model: short name of the other neuron's model
-- checkpoint: label of its checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: its block, from 0
-- neuron: its dimension, from 0
-- depth: sentences compared: k, or what both have of a smaller corpus
-- shared: sentences that both have
-- jaccard: shared / sentences that are either's
-- rbo: rank-biased overlap, extrapolated from `depth` on (RBO_ext of Webber et al. 2010), 0 to 1
create macro overlapping_neurons(of_model, of_checkpoint, of_site, of_layer, of_neuron, k) as table
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    depth,
    shared,
    jaccard,
    rbo
from overlapping_neurons_at(of_model, of_checkpoint, of_site, of_layer, of_neuron, k, 0.98);
