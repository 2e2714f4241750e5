-- How often each Penn tag stands in a neuron's top (bottom) sentences.
-- grain: neuron x pole x tag found in its sentences, per model, checkpoint, site, corpus and annotator
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
create view neuron_tags as
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
    count(*) as words
from neuron_annotated_words
group by model, checkpoint, site, corpus, annotator, layer, neuron, pole, tag;
