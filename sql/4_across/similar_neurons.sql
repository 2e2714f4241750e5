-- The neurons of the same checkpoint and site, of all layers, that are most like one neuron: cosine of their
-- activations over all sampled sentences of all corpora, exact.
-- grain: neuron
-- of_model: short name of the neuron's model
-- of_checkpoint: label of its checkpoint
-- of_site: hidden or ffn
-- of_layer: its block, from 0
-- of_neuron: its dimension, from 0
-- k: neurons wanted
-- layer: block of the similar neuron, from 0
-- neuron: its dimension, from 0
-- n_sentences: sentences sampled
-- cosine: of the two vectors of activations, -1 to 1; ties: lower layer, then lower neuron
create macro similar_neurons(of_model, of_checkpoint, of_site, of_layer, of_neuron, k) as table
with own as materialized (
    select
        sentence_id,
        activations[of_neuron + 1]::double as activation
    from activation_sample
    where model = of_model and checkpoint = of_checkpoint and site = of_site and layer = of_layer
),

of_own as (
    select
        sqrt(sum(activation * activation)) as length,
        count(*) as n_sentences
    from own
),

-- one row per sentence and neuron: two sums are all that is made of these
pairs as (
    select
        others.layer,
        own.activation as own,
        unnest(others.activations) as other,
        generate_subscripts(others.activations, 1) - 1 as neuron
    from activation_sample as others
    inner join own
        on others.sentence_id = own.sentence_id
    where others.model = of_model and others.checkpoint = of_checkpoint and others.site = of_site
),

sums as (
    select
        layer,
        neuron,
        sum(own * other) as product,
        sqrt(sum(other::double * other)) as length
    from pairs
    group by layer, neuron
)

select
    sums.layer,
    sums.neuron,
    of_own.n_sentences,
    sums.product / (sums.length * of_own.length) as cosine
from sums
cross join of_own
where sums.length > 0 and of_own.length > 0 and not (sums.layer = of_layer and sums.neuron = of_neuron)
order by cosine desc, sums.layer asc, sums.neuron asc
limit k;
