-- How alike each neuron's k top sentences are at two checkpoints, or in two models of the same shape.
-- macro: neuron_overlap(p := 0.98): the first 50 ranks weigh about two thirds
-- grain: neuron, per site and corpus that both have
-- argument before_model: short name of the first model
-- argument before_checkpoint: label of its checkpoint
-- argument after_model: short name of the second model
-- argument after_checkpoint: label of its checkpoint
-- argument k: sentences compared per corpus, from 2, at most the K of the ingest. Sets that all tie (a dead neuron's)
--   are left out
-- argument p: persistence of rank-biased overlap, above 0 and below 1: the first d ranks weigh about 1 - p^d
-- columns: site, corpus, layer, neuron, depth, shared
-- jaccard: shared / sentences that are either's
-- columns: rbo
create macro neuron_overlap_at(before_model, before_checkpoint, after_model, after_checkpoint, k, p) as table
with before_top as (
    select *
    from neuron_topk
    where model = before_model and checkpoint = before_checkpoint and pole = 'top' and rank <= k
),

after_top as (
    select *
    from neuron_topk
    where model = after_model and checkpoint = after_checkpoint and pole = 'top' and rank <= k
),

before_sets as (
    select
        site,
        corpus,
        layer,
        neuron,
        max(rank) as size
    from before_top
    group by site, corpus, layer, neuron
    having max(activation) > min(activation)
),

after_sets as (
    select
        site,
        corpus,
        layer,
        neuron,
        max(rank) as size
    from after_top
    group by site, corpus, layer, neuron
    having max(activation) > min(activation)
),

weights as (
    from neuron_overlap_weights(k, p)
),

pairs as (
    select
        site,
        corpus,
        layer,
        neuron,
        least(before_sets.size, after_sets.size) as depth
    from before_sets
    inner join after_sets using (site, corpus, layer, neuron)
),

found_twice as (
    select
        site,
        corpus,
        layer,
        neuron,
        greatest(before_top.rank, after_top.rank) as depth
    from before_top
    inner join after_top using (site, corpus, layer, neuron, sentence_id)
),

sums as (
    select
        pairs.site,
        pairs.corpus,
        pairs.layer,
        pairs.neuron,
        pairs.depth,
        count(weights.depth) as shared,
        coalesce(sum(weights.above), 0) as above
    from pairs
    left join found_twice using (site, corpus, layer, neuron)
    left join weights
        on found_twice.depth = weights.depth and pairs.depth >= weights.depth
    group by pairs.site, pairs.corpus, pairs.layer, pairs.neuron, pairs.depth
)

select
    sums.* exclude (above),
    sums.shared / (2 * sums.depth - sums.shared) as jaccard,
    rank_biased_overlap(sums.shared, sums.depth, p, sums.above, whole.upto) as rbo
from sums
inner join weights as whole using (depth);
