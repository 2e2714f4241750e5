-- The poles of neurons and their sizes. A pole whose sentences all tie is left out: these are merely the first of the
-- corpus, and what they share says nothing of the neuron (it is dead there).
-- grain: neuron x pole, per model, checkpoint, site and corpus
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- k: sentences of the pole
create view neuron_poles as
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    pole,
    max(rank) as k
from neuron_topk
group by model, checkpoint, site, corpus, layer, neuron, pole
having max(activation) > min(activation);
