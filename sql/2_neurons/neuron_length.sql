-- How long a neuron's top and bottom sentences are, beside all sentences of the corpus that counted for the model.
-- grain: neuron x pole, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- k: sentences of the pole
-- mean_tokens: mean number of tokens of these, special tokens not counted
-- mean_words: mean number of words of these
-- corpus_mean_tokens: mean number of tokens of the corpus's sentences
-- corpus_mean_words: mean number of words of the corpus's sentences
create view neuron_length as
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    pole,
    k,
    mean_tokens,
    mean_words,
    corpus_mean_tokens,
    corpus_mean_words
from neuron_profiles;
