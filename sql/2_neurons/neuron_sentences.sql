-- Every stored top and bottom sentence of every neuron, with its text.
-- grain: neuron x pole x rank, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- rank: from 1 within the corpus
-- activation: the sentence's activation
-- token_position: token of the maximum, null unless the aggregate is max
-- sentence_id: the sentence
-- doc_id: document of the sentence
-- position: place of the sentence in its document, from 0
-- n_words: words of the sentence
-- text: the sentence
create view neuron_sentences as
select
    topk.model,
    topk.checkpoint,
    topk.site,
    topk.corpus,
    topk.layer,
    topk.neuron,
    topk.pole,
    topk.rank,
    topk.activation,
    topk.token_position,
    topk.sentence_id,
    sentences.doc_id,
    sentences.position,
    sentences.n_words,
    sentences.text
from neuron_topk as topk
inner join sentences
    on topk.sentence_id = sentences.sentence_id and topk.corpus = sentences.corpus;
