-- Share of each part of speech among the words of a neuron's top (bottom) sentences, beside its share in the corpus.
-- grain: neuron x pole x tag of the corpus, per model, checkpoint, site, corpus and annotator
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- annotator: what found words and tags
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- tag: Penn part-of-speech tag
-- words: words of the pole's sentences with the tag
-- share: words / all words of the pole's sentences
-- corpus_words: words of the corpus with the tag, in sentences that counted for the model
-- corpus_share: corpus_words / all words of these
-- class: noun, verb, adjective, adverb … (macro tag_class)
-- lift: share / corpus_share
create view neuron_tag_distribution as
select
    model,
    checkpoint,
    site,
    corpus,
    annotator,
    layer,
    neuron,
    pole,
    tag,
    words,
    share,
    corpus_words,
    corpus_share,
    class,
    lift
from neuron_tag_distribution_against('neuron_tags', 'corpus_tags');
