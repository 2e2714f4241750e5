-- Which concepts share a neuron: every neuron that contributes to a concept, with all concepts it contributes to.
-- grain: neuron that contributes to any concept, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, layer
-- neuron: neuron of site ffn, from 0
-- n_concepts: concepts it contributes to
-- concepts: these, in order of the alphabet
create view concepts_per_neuron as
select
    neurons.model,
    neurons.checkpoint,
    checkpoints.step,
    neurons.dataset,
    neurons.layer,
    neurons.neuron,
    count(*) as n_concepts,
    list(neurons.concept order by neurons.concept) as concepts
from knowledge_neurons as neurons
left join checkpoints using (model, checkpoint)
group by neurons.model, neurons.checkpoint, checkpoints.step, neurons.dataset, neurons.layer, neurons.neuron;
