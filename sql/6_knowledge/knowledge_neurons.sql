-- The contributing neurons of each concept at the study's thresholds: a fifth of a prompt's highest attribution, in
-- half of the concept's prompts (knowledge_neurons_at takes others).
-- grain: concept x neuron, per model, checkpoint and dataset
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- dataset: name of the set of prompts
-- concept: the word its prompts ask for
-- layer: block, from 0
-- neuron: neuron of site ffn, from 0
-- n_selected: prompts that selected the neuron
-- n_prompts: prompts of the concept that ran
-- share: n_selected / n_prompts
-- attribution: mean knowledge attribution over the prompts that selected it, in probability
create view knowledge_neurons as
select
    model,
    checkpoint,
    dataset,
    concept,
    layer,
    neuron,
    n_selected,
    n_prompts,
    share,
    attribution
from knowledge_neurons_at(0.2, 0.5);
