-- The neurons of a site of the same checkpoint, of all layers, that are most like one neuron: Pearson correlation of
-- their activations over the sampled sentences of some corpora, exact. Neurons that do not vary there have none.
-- Another site than the neuron's own is compared over the corpora of which both sites have the same sentences sampled.
-- grain: similar neuron
-- argument of_model: short name of the neuron's model
-- argument of_checkpoint: label of its checkpoint
-- argument of_site: hidden or ffn
-- argument of_layer: its block, from 0
-- argument of_neuron: its dimension, from 0
-- argument k: neurons wanted
-- argument corpora: names of the corpora, as a list; all unless given
-- argument other_site: hidden or ffn, where the others are; the neuron's own unless given
-- columns: layer, neuron
-- n_sentences: sentences sampled
-- correlation: of the two neurons' activations, -1 to 1; ties: lower layer, then lower neuron
create macro similar_neurons(
    of_model, of_checkpoint, of_site, of_layer, of_neuron, k, corpora := null, other_site := null
) as table
with sampled as (
    select
        corpus,
        site,
        list(distinct sentence_id order by sentence_id) as sentences
    from activation_sample
    where model = of_model and checkpoint = of_checkpoint and other_site is not null and site in (of_site, other_site)
    group by corpus, site
),

of_both_sites as (
    select corpus
    from sampled
    group by corpus
    having count(distinct sentences) = 1
),

own as materialized (
    select
        corpus,
        mean,
        std,
        [activation - mean for activation in activations::double[]] as deviations
    from neuron_samples
    where
        model = of_model
        and checkpoint = of_checkpoint
        and site = of_site
        and layer = of_layer
        and neuron = of_neuron
        and (corpora is null or list_contains(corpora, corpus))
        and (other_site is null or corpus in (select of_both_sites.corpus from of_both_sites))
),

-- deviations sum to 0, so that those of one side alone give the sum of products within a corpus; by an equality they
-- would be hashed and copied into each row
within_corpora as (
    select
        others.layer,
        others.neuron,
        others.n_sampled as n,
        own.mean as own_mean,
        own.std as own_std,
        others.mean as other_mean,
        others.std as other_std,
        list_inner_product(own.deviations, others.activations::double[]) as products
    from neuron_samples as others
    inner join own
        on list_contains([own.corpus], others.corpus)
    where
        (corpora is null or list_contains(corpora, others.corpus))
        and others.model = of_model
        and others.checkpoint = of_checkpoint
        and others.site = coalesce(other_site, of_site)
),

correlated as (
    select
        layer,
        neuron,
        sum(n)::bigint as n_sentences,
        case
            when
                (max(own_std) > 0 or min(own_mean) < max(own_mean))
                and (max(other_std) > 0 or min(other_mean) < max(other_mean))
                then
                    (sum(products + n * own_mean * other_mean) - sum(n * own_mean) * sum(n * other_mean) / sum(n))
                    / sqrt(sum(n * (own_std ** 2 + own_mean ** 2)) - sum(n * own_mean) ** 2 / sum(n))
                    / sqrt(sum(n * (other_std ** 2 + other_mean ** 2)) - sum(n * other_mean) ** 2 / sum(n))
        end as correlation
    from within_corpora
    group by layer, neuron
)

select
    layer,
    neuron,
    n_sentences,
    correlation
from correlated
where
    isfinite(correlation)
    and not (layer = of_layer and neuron = of_neuron and coalesce(other_site, of_site) = of_site)
order by correlation desc, layer asc, neuron asc
limit k;
