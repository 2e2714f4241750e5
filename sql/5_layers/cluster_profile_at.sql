-- What sets a group of neurons apart: patterns and metadata values that more of its neurons have than of the layer's
-- others, the most telling first. A neuron has a pattern (value) when it is over-represented among the neuron's top
-- sentences. Neurons that were not mined count as having none. A layer in one group has no rows: there are no others.
-- view: cluster_profile(max_q := 0.05, min_lift := 1)
-- grain: cluster x kind x pattern, per model, checkpoint, site, scope and layer
-- argument max_q: highest q-value of the pattern (value) among the neuron's
-- argument min_lift: its lift must be above this
-- columns: model, checkpoint, site
-- scope: corpora that the groups and patterns are from; of metadata any corpus of it
-- columns: layer
-- cluster: group of neurons, from 0, the largest first
-- kind: word, tag or tree; metadata
-- pattern: its items joined by blanks; of metadata `key = value`
-- n_with: neurons of the cluster that have it
-- n_neurons: neurons of the cluster
-- share: n_with / n_neurons
-- others_share: share of the layer's other neurons that have it
-- g2: log-likelihood ratio of the cluster's neurons against the layer's others; a figure to rank by, as neurons of
--   a layer are not independent of one another
-- rank: from 1 within the cluster, by g2
create macro cluster_profile_at(max_q, min_lift) as table
-- no expression is named twice below, so that a query for one layer reads that layer's rows only
with had as (
    select
        clusters.model,
        clusters.checkpoint,
        clusters.site,
        clusters.scope,
        clusters.layer,
        clusters.cluster,
        patterns.kind,
        patterns.pattern_text as pattern
    from neuron_clusters as clusters
    inner join neuron_patterns as patterns using (model, checkpoint, site, scope, layer, neuron)
    where patterns.pole = 'top' and patterns.q_value <= max_q and patterns.lift > min_lift
    union all
    select
        model,
        checkpoint,
        site,
        scope,
        layer,
        cluster,
        'metadata' as kind,
        pattern
    from (
        select distinct
            clusters.model,
            clusters.checkpoint,
            clusters.site,
            clusters.scope,
            clusters.layer,
            clusters.neuron,
            clusters.cluster,
            metadata.key || ' = ' || metadata.value as pattern
        from neuron_clusters as clusters
        inner join neuron_metadata as metadata using (model, checkpoint, site, layer, neuron)
        where
            list_contains(string_split(clusters.scope, '+'), metadata.corpus)
            and metadata.pole = 'top'
            and metadata.q_value <= max_q
            and metadata.lift > min_lift
    ) as values_of_neurons
),

counted as (
    select
        model,
        checkpoint,
        site,
        scope,
        layer,
        cluster,
        kind,
        pattern,
        count(*) as n_with,
        sum(count(*)) over (partition by model, checkpoint, site, scope, layer, kind, pattern) as layer_with
    from had
    group by model, checkpoint, site, scope, layer, cluster, kind, pattern
),

sizes as (
    select
        model,
        checkpoint,
        site,
        scope,
        layer,
        cluster,
        count(*) as n_neurons,
        sum(count(*)) over (partition by model, checkpoint, site, scope, layer) as layer_neurons
    from neuron_clusters
    group by model, checkpoint, site, scope, layer, cluster
),

compared as (
    select
        counted.*,
        sizes.n_neurons,
        counted.n_with / sizes.n_neurons as share,
        (counted.layer_with - counted.n_with) / nullif(sizes.layer_neurons - sizes.n_neurons, 0) as others_share,
        log_likelihood_ratio(counted.n_with, sizes.n_neurons, counted.layer_with, sizes.layer_neurons) as g2
    from counted
    inner join sizes using (model, checkpoint, site, scope, layer, cluster)
)

select
    compared.* exclude (layer_with),
    row_number() over (
        partition by model, checkpoint, site, scope, layer, cluster
        order by g2 desc, kind asc, pattern asc
    ) as rank
from compared
where share > others_share;
