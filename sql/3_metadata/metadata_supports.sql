-- How many of a neuron's top (bottom) sentences have each metadata value. A pole whose sentences all have the same
-- activation (a dead neuron's) has no rows.
-- grain: neuron x pole x key x value found among its sentences, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- key: metadata key
-- value: its value
-- support: sentences of the pole with the value
-- k: sentences of the pole
create view metadata_supports as
with supports as (
    select
        topk.model,
        topk.checkpoint,
        topk.site,
        topk.corpus,
        topk.layer,
        topk.neuron,
        topk.pole,
        metadata.key,
        metadata.value,
        count(*) as support
    from neuron_topk as topk
    inner join sentence_metadata as metadata
        on topk.sentence_id = metadata.sentence_id and topk.corpus = metadata.corpus
    group by
        topk.model, topk.checkpoint, topk.site, topk.corpus, topk.layer, topk.neuron, topk.pole,
        metadata.key, metadata.value
)

select
    supports.*,
    poles.k
from supports
inner join neuron_poles as poles using (model, checkpoint, site, corpus, layer, neuron, pole);
