-- Since when each contributing neuron of the last checkpoint has contributed to its concept, and how steadily, at the
-- study's thresholds (knowledge_neuron_persistence_at takes others and any reference).
-- grain: concept x contributing neuron of the last checkpoint by step, per model and dataset
-- model: short name of the model
-- dataset: name of the set of prompts
-- concept: the word its prompts ask for
-- reference_checkpoint: the checkpoint compared with
-- layer: block, from 0
-- neuron: neuron of site ffn, from 0
-- attribution: its mean attribution at the reference, in probability
-- first_checkpoint: first checkpoint at which it contributes to the concept, in order of steps
-- first_step: training step of this, null if unknown
-- settled_step: first step from which it contributes at every checkpoint up to the reference, null if unknown
-- n_checkpoints: checkpoints from the first to the reference, both included, at which the concept ran
-- n_found: those at which it contributes
-- persistence: n_found / n_checkpoints
create view knowledge_neuron_persistence as
select
    model,
    dataset,
    concept,
    reference_checkpoint,
    layer,
    neuron,
    attribution,
    first_checkpoint,
    first_step,
    settled_step,
    n_checkpoints,
    n_found,
    persistence
from knowledge_neuron_persistence_at(null, 0.2, 0.5);
