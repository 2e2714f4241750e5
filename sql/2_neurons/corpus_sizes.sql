-- How many sentences of a corpus counted for a model.
-- grain: corpus, per model and checkpoint
-- columns: model, checkpoint, corpus, n_sentences
create view corpus_sizes as
select
    model,
    checkpoint,
    corpus,
    count(*) as n_sentences
from sentence_tokens
group by model, checkpoint, corpus;
