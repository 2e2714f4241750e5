-- Every stored top and bottom sentence of every neuron, with its text.
-- grain: neuron x pole x rank, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, rank, sentence_id, activation, token_position,
--   doc_id, position, text, n_words
create view neuron_sentences as
select *
from neuron_topk
inner join sentences using (corpus, sentence_id);
