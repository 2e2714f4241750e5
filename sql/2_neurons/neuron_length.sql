-- How long a neuron's top and bottom sentences are, beside all sentences of the corpus that counted for the model.
-- grain: neuron x pole, per model, checkpoint, site and corpus
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, k, mean_tokens, mean_words, corpus_mean_tokens,
--   corpus_mean_words
create view neuron_length as
select * exclude (differ, length_r2)
from neuron_profiles;
