-- Whether the same dimension behaves alike in two layers: correlation of a figure over dimensions, with the baseline of
-- 99 cyclic shifts of the second layer's dimensions by evenly spaced distances (all shifts there are, where a layer has
-- at most 100 dimensions). Shifts keep what neighbouring dimensions have in common, which permutations would not.
-- view: dimension_consistency(chosen := 'mean_tokens'): whether it responds to sentences of similar length (Oba et al.
--   2021)
-- grain: pair of layers, per model, checkpoint, site and corpus
-- argument chosen: a figure of neuron_figures, such as 'mean_tokens', 'verbs' or 'share:topic=news'
-- columns: model, checkpoint, site, corpus
-- layer_a: lower layer
-- layer_b: higher layer
-- n_neurons: dimensions compared
-- correlation: Pearson correlation over dimensions; null where the figure is the same for all of them
-- baseline: mean correlation over the shifts
-- baseline_std: its standard deviation
-- p_value: one-sided: (1 + shifts with at least this correlation, up to rounding) / (1 + shifts), at least 0.01; null
--   without one
create macro dimension_consistency_of(chosen) as table
with sized as materialized (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        value,
        1 + max(neuron) over (partition by model, checkpoint, site, corpus) as width
    from neuron_figures_of(chosen)
),

-- shifts are unnested, not joined: else the planner pairs all neurons first and looks at their places afterwards
correlations as (
    select
        below.model,
        below.checkpoint,
        below.site,
        below.corpus,
        below.layer as layer_a,
        above.layer as layer_b,
        below.shift,
        count(*) as n_neurons,
        nullif(corr(below.value, above.value), 'nan'::double) as correlation
    from (
        select
            sized.*,
            unnest(range(least(100, sized.width))) as shift
        from sized
    ) as below
    inner join sized as above
        on
            below.model = above.model
            and below.checkpoint = above.checkpoint
            and below.site = above.site
            and below.corpus = above.corpus
            and below.layer < above.layer
            and (below.neuron + below.shift * greatest(1, below.width // 100)) % below.width = above.neuron
    group by below.model, below.checkpoint, below.site, below.corpus, below.layer, above.layer, below.shift
)

select
    model,
    checkpoint,
    site,
    corpus,
    layer_a,
    layer_b,
    any_value(n_neurons) filter (where shift = 0) as n_neurons,
    any_value(correlation) filter (where shift = 0) as correlation,
    avg(correlation) filter (where shift > 0) as baseline,
    stddev(correlation) filter (where shift > 0) as baseline_std,
    case
        when any_value(observed) is not null
            then (1 + count(*) filter (where shift > 0 and correlation >= observed - 1e-9)) / count(*)
    end as p_value
from (
    select
        correlations.*,
        max(correlation) filter (where shift = 0) over (
            partition by model, checkpoint, site, corpus, layer_a, layer_b
        ) as observed
    from correlations
) as compared
group by model, checkpoint, site, corpus, layer_a, layer_b;
