-- Which of a concept's contributing neurons at the last checkpoint contribute at each earlier one, at the study's
-- thresholds (knowledge_neuron_stability_at takes others and any reference).
-- grain: concept that ran at both x checkpoint, per model and dataset
-- model: short name of the model
-- dataset: name of the set of prompts
-- concept: the word its prompts ask for
-- reference_checkpoint: the checkpoint compared with
-- checkpoint: label of the checkpoint, the reference included
-- step: training step, null if unknown
-- n_reference: the concept's contributing neurons at the reference
-- n_neurons: its contributing neurons at the checkpoint
-- n_shared: neurons that are both
-- share_found: n_shared / n_reference, null where the reference has none
-- jaccard: n_shared / neurons that are either, null where there are none
create view knowledge_neuron_stability as
select
    model,
    dataset,
    concept,
    reference_checkpoint,
    checkpoint,
    step,
    n_reference,
    n_neurons,
    n_shared,
    share_found,
    jaccard
from knowledge_neuron_stability_at(null, 0.2, 0.5);
