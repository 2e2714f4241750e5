-- Every stored top and bottom sentence of every neuron, with its text.
-- grain: neuron x pole x rank, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, rank, activation, token_position, sentence_id,
--   doc_id, position, n_words, text
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
