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
-- the neuron's own sentences are found first, and only their words are looked at
with found as (
    select
        topk.model,
        topk.checkpoint,
        topk.site,
        topk.corpus,
        annotations.annotator,
        topk.layer,
        topk.neuron,
        topk.pole,
        unnest(annotations.words) as word,
        unnest(annotations.tags) as tag
    from neuron_topk as topk
    inner join annotations
        on topk.sentence_id = annotations.sentence_id and topk.corpus = annotations.corpus
)

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
from found
where regexp_matches(word, '[\p{L}\p{N}]')
group by model, checkpoint, site, corpus, annotator, layer, neuron, pole, tag;
