-- The neurons of the same checkpoint and site, of all layers, that are most like one neuron: Pearson correlation of
-- their activations over the sampled sentences of some corpora, exact. Neurons that do not vary there have none.
-- grain: similar neuron
-- argument of_model: short name of the neuron's model
-- argument of_checkpoint: label of its checkpoint
-- argument of_site: hidden or ffn
-- argument of_layer: its block, from 0
-- argument of_neuron: its dimension, from 0
-- argument k: neurons wanted
-- argument corpora: names of the corpora, as a list; all unless given
-- columns: layer, neuron
-- n_sentences: sentences sampled
-- correlation: of the two neurons' activations, -1 to 1; ties: lower layer, then lower neuron
create macro similar_neurons(of_model, of_checkpoint, of_site, of_layer, of_neuron, k, corpora := null) as table
with own as materialized (
    select
        sentence_id,
        activations[of_neuron + 1]::double as activation
    from activation_sample
    where
        model = of_model
        and checkpoint = of_checkpoint
        and site = of_site
        and layer = of_layer
        and (corpora is null or list_contains(corpora, corpus))
),

-- one row per sentence and neuron
pairs as (
    select
        others.layer,
        own.activation as own,
        unnest(others.activations)::double as other,
        generate_subscripts(others.activations, 1) - 1 as neuron
    from activation_sample as others
    inner join own
        on others.sentence_id = own.sentence_id
    where others.model = of_model and others.checkpoint = of_checkpoint and others.site = of_site
),

correlated as (
    select
        layer,
        neuron,
        count(*) as n_sentences,
        case
            when min(own) < max(own) and min(other) < max(other) then corr(own, other)
        end as correlation
    from pairs
    group by layer, neuron
)

select
    layer,
    neuron,
    n_sentences,
    correlation
from correlated
where isfinite(correlation) and not (layer = of_layer and neuron = of_neuron)
order by correlation desc, layer asc, neuron asc
limit k;
