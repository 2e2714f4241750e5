-- How many sentences of a corpus counted for a model.
-- grain: corpus, per model and checkpoint
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- corpus: name of the corpus
-- n_sentences: sentences of at least 3 tokens
create view corpus_sizes as
select
    model,
    checkpoint,
    corpus,
    count(*) as n_sentences
from sentence_tokens
group by model, checkpoint, corpus;
