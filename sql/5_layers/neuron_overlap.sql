-- How alike each neuron's k top sentences are at two checkpoints, or in two models of the same shape, with a
-- persistence of 0.98: the first 50 ranks weigh about two thirds (neuron_overlap_at takes others).
-- grain: neuron, per site and corpus that both have
-- before_model: short name of the first model
-- before_checkpoint: label of its checkpoint
-- after_model: short name of the second model
-- after_checkpoint: label of its checkpoint
-- k: sentences compared per corpus, from 2, at most the K of the ingest. Sets that all tie (a dead neuron's) are left
--   out
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- depth: sentences compared: k, or what both have of a smaller corpus
-- shared: sentences that both have
-- jaccard: shared / sentences that are either's
-- rbo: rank-biased overlap, extrapolated from `depth` on (RBO_ext of Webber et al. 2010), 0 to 1
create macro neuron_overlap(before_model, before_checkpoint, after_model, after_checkpoint, k) as table
select
    site,
    corpus,
    layer,
    neuron,
    depth,
    shared,
    jaccard,
    rbo
from neuron_overlap_at(before_model, before_checkpoint, after_model, after_checkpoint, k, 0.98);
