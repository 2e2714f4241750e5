-- How many of a neuron's top (bottom) sentences have each noun, verb and adjective. A pole whose sentences all have the
-- same activation (a dead neuron's) has no rows.
-- grain: neuron x pole x class x word found among its sentences, per model, checkpoint, site, corpus and annotator
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- annotator: what found words and tags
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- class: noun (NN*), verb (VB*) or adjective (JJ*)
-- word: the word as it stands
-- support: sentences of the pole with the word in this class
-- k: sentences of the pole
create view word_supports as
with supports as (
    select
        model,
        checkpoint,
        site,
        corpus,
        annotator,
        layer,
        neuron,
        pole,
        word,
        tag_class(tag) as class,
        count(distinct sentence_id) as support
    from neuron_annotated_words
    where tag_class(tag) in ('noun', 'verb', 'adjective')
    group by model, checkpoint, site, corpus, annotator, layer, neuron, pole, tag_class(tag), word
)

select
    supports.model,
    supports.checkpoint,
    supports.site,
    supports.corpus,
    supports.annotator,
    supports.layer,
    supports.neuron,
    supports.pole,
    supports.class,
    supports.word,
    supports.support,
    poles.k
from supports
inner join neuron_poles as poles using (model, checkpoint, site, corpus, layer, neuron, pole);
