-- Any figure of a neuron, one per row, for maps and comparisons across layers. This view computes all of them: ask
-- neuron_figures_of for one.
-- grain: neuron x figure, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- figure: of the activations: mean, std, skewness, kurtosis, share_positive; of the top sentences: mean_tokens,
--   mean_words; share:KEY=VALUE, the share with a metadata value; nouns, verbs, adjectives, adverbs, pronouns,
--   determiners, prepositions, conjunctions, numbers, modals, others: words of the class per sentence
-- value: the figure; shares and words are those of poles whose sentences do not all tie, and words those of the
--   annotator whose name comes first, where a corpus has several
create view neuron_figures as
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from neuron_figures_of(null);
