-- What sets a group of neurons apart: patterns and metadata values (q-value at most 0.05, lift above 1 among a
-- neuron's top sentences) that more of its neurons have than of the layer's others, the most telling first.
-- grain: cluster x kind x pattern, per model, checkpoint, site, scope and layer
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- scope: corpora that the groups and patterns are from; of metadata any corpus of it
-- layer: block, from 0
-- cluster: group of neurons, from 0, the largest first
-- rank: from 1 within the cluster, by g2
-- kind: word, tag or tree; metadata
-- pattern: its items joined by blanks; of metadata `key = value`
-- n_with: neurons of the cluster that have it
-- n_neurons: neurons of the cluster
-- share: n_with / n_neurons
-- others_share: share of the layer's other neurons that have it
-- g2: log-likelihood ratio of the cluster's neurons against the layer's others; a figure to rank by, as neurons of
--   a layer are not independent of one another
create view cluster_profile as
select
    model,
    checkpoint,
    site,
    scope,
    layer,
    cluster,
    rank,
    kind,
    pattern,
    n_with,
    n_neurons,
    share,
    others_share,
    g2
from cluster_profile_at(0.05, 1);
