-- Whether the same dimension behaves alike in two layers: correlation of a figure over dimensions, with the
-- baseline of 99 permutations that shift the second layer's dimensions by evenly spaced distances (all shifts there
-- are, where a layer has at most 100 dimensions).
-- grain: pair of layers, per model, checkpoint, site and corpus
-- chosen: a figure of neuron_figures, such as 'mean_tokens', 'verbs' or 'share:topic=news'
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer_a: lower layer
-- layer_b: higher layer
-- n_neurons: dimensions compared
-- correlation: Pearson correlation over dimensions; null where the figure is the same for all of them
-- baseline: mean correlation over the permutations
-- baseline_std: its standard deviation
-- p_value: (1 + permutations with at least this correlation, up to rounding) / (1 + permutations); null without one
create macro dimension_consistency_of(chosen) as table
-- the call below names it
with figures_of_chosen as materialized ( -- noqa: ST03
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        value
    from neuron_figures_of(chosen)
)

select
    model,
    checkpoint,
    site,
    corpus,
    layer_a,
    layer_b,
    n_neurons,
    correlation,
    baseline,
    baseline_std,
    p_value
from dimension_consistency_against('figures_of_chosen');
