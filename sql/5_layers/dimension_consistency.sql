-- Whether the same dimension responds to sentences of similar length in two layers (Oba et al. 2021): the mean number
-- of tokens of top sentences correlated over dimensions, with a permuted baseline.
-- grain: pair of layers, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer_a: lower layer
-- layer_b: higher layer
-- n_neurons: dimensions compared
-- correlation: Pearson correlation over dimensions
-- baseline: mean correlation over 99 permutations (fewer where a layer has fewer than 100 dimensions)
-- baseline_std: its standard deviation
-- p_value: (1 + permutations with at least this correlation) / (1 + permutations)
create view dimension_consistency as
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
from dimension_consistency_of('mean_tokens');
