-- How much the contributing neurons of each layer contribute: their attribution to the concepts they contribute to.
-- grain: layer with a contributing neuron, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, layer
-- n_contributions: pairs of a concept and a contributing neuron of the layer
-- mean: mean attribution of these pairs, in probability
-- median: median attribution of these pairs
-- highest: highest attribution of these pairs
create view attribution_by_layer as
select
    neurons.model,
    neurons.checkpoint,
    checkpoints.step,
    neurons.dataset,
    neurons.layer,
    count(*) as n_contributions,
    avg(neurons.attribution) as mean,
    median(neurons.attribution) as median,
    max(neurons.attribution) as highest
from knowledge_neurons as neurons
left join checkpoints using (model, checkpoint)
group by neurons.model, neurons.checkpoint, checkpoints.step, neurons.dataset, neurons.layer;
