-- Neurons of any model, checkpoint, site and layer whose k top sentences of a corpus are partly those of one neuron.
-- macro: overlapping_neurons(p := 0.98): the first 50 ranks weigh about two thirds
-- grain: other neuron that shares a sentence, per model, checkpoint, site and corpus
-- argument of_model: short name of the neuron's model
-- argument of_checkpoint: label of its checkpoint
-- argument of_site: hidden or ffn
-- argument of_layer: its block, from 0
-- argument of_neuron: its dimension, from 0
-- argument k: sentences compared per corpus, from 2, at most the K of the ingest. Sets that all tie (a dead neuron's)
--   are left out
-- argument p: persistence of rank-biased overlap, above 0 and below 1: the first d ranks weigh about 1 - p^d
-- columns: model, checkpoint, site, corpus, layer, neuron, depth, shared
-- jaccard: shared / sentences that are either's
-- columns: rbo
create macro overlapping_neurons_at(of_model, of_checkpoint, of_site, of_layer, of_neuron, k, p) as table
with own as materialized (
    select
        corpus,
        sentence_id,
        rank
    from neuron_topk
    where
        model = of_model
        and checkpoint = of_checkpoint
        and site = of_site
        and layer = of_layer
        and neuron = of_neuron
        and pole = 'top'
        and rank <= k
    qualify max(activation) over (partition by corpus) > min(activation) over (partition by corpus)
),

own_sizes as (
    select
        corpus,
        max(rank) as size
    from own
    group by corpus
),

-- all neurons of a unit have as many top sentences; which layers there are, its run has chosen
sizes as (
    select
        model,
        checkpoint,
        site,
        corpus,
        max(rank) as size
    from neuron_topk
    where neuron = 0 and pole = 'top' and rank <= k
    group by model, checkpoint, site, corpus
),

-- beside the shared sentences the first and the last, which say whether all tie; a sentence_id says its corpus too
of_others as (
    select
        others.model,
        others.checkpoint,
        others.site,
        others.corpus,
        others.layer,
        others.neuron,
        others.activation,
        greatest(others.rank, own.rank) as found_at,
        own.rank is not null as is_shared
    from neuron_topk as others
    left join own
        on others.sentence_id = own.sentence_id
    where
        others.pole = 'top'
        and others.rank <= k
        and (own.rank is not null or others.rank = 1 or others.rank in (select size from sizes))
),

weights as (
    from neuron_overlap_weights(k, p)
),

found as (
    select
        of_others.model,
        of_others.checkpoint,
        of_others.site,
        of_others.corpus,
        of_others.layer,
        of_others.neuron,
        least(any_value(sizes.size), any_value(own_sizes.size)) as depth,
        count(weights.depth) as shared,
        sum(weights.above) as above
    from of_others
    inner join sizes using (model, checkpoint, site, corpus)
    inner join own_sizes using (corpus)
    left join weights
        on
            of_others.is_shared
            and of_others.found_at = weights.depth
            and sizes.size >= weights.depth
            and own_sizes.size >= weights.depth
    group by
        of_others.model, of_others.checkpoint, of_others.site, of_others.corpus, of_others.layer, of_others.neuron
    having shared > 0 and max(of_others.activation) > min(of_others.activation)
)

select
    found.* exclude (above),
    found.shared / (2 * found.depth - found.shared) as jaccard,
    rank_biased_overlap(found.shared, found.depth, p, found.above, whole.upto) as rbo
from found
inner join weights as whole using (depth)
where
    (found.model, found.checkpoint, found.site, found.layer, found.neuron)
    != (of_model, of_checkpoint, of_site, of_layer, of_neuron);
