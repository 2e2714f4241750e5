-- Every word of a neuron's top (bottom) sentences with its tag; those without a letter or digit left out. The neuron's
-- own sentences are found first, and only their words are looked at.
-- grain: neuron x pole x sentence x word, per model, checkpoint, site, corpus and annotator
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- annotator: what found words and tags
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- sentence_id: the sentence
-- word: the word as it stands
-- tag: its Penn part-of-speech tag
create view neuron_annotated_words as
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
        topk.sentence_id,
        unnest(annotations.words) as word,
        unnest(annotations.tags) as tag
    from neuron_topk as topk
    inner join annotations
        on topk.sentence_id = annotations.sentence_id and topk.corpus = annotations.corpus
)

select *
from found
where regexp_matches(word, '[\p{L}\p{N}]');
