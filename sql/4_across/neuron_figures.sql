-- Any figure of a neuron, one per row, for maps and comparisons across layers.
-- grain: neuron x figure, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- figure: mean_tokens, mean_words (of the top sentences), mean, std, skewness, kurtosis, share_positive
-- value: the figure
create view neuron_figures as
with lengths as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        mean_tokens,
        mean_words
    from neuron_length
    where pole = 'top'
),

statistics as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        mean,
        std,
        skewness,
        kurtosis,
        share_positive
    from neuron_stats
)

select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from (unpivot lengths on mean_tokens, mean_words into name figure value value)
union all
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from (unpivot statistics on mean, std, skewness, kurtosis, share_positive into name figure value value);
