-- Since when each contributing neuron of a reference checkpoint has contributed to its concept, and how steadily.
-- Checkpoints are those up to the reference's step; of those without a step only the reference itself, as the last.
-- view: knowledge_neuron_persistence(reference := null, t := 0.2, p := 0.5): the last checkpoint, the study's
--   thresholds
-- grain: concept x contributing neuron of the reference, per model and dataset
-- argument reference: label of the reference checkpoint; null for each model's last by step (view last_checkpoints)
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument p: threshold of a concept, share of its prompts that ran
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, dataset, concept, reference_checkpoint, layer
-- neuron: neuron of site ffn, from 0
-- attribution: its mean attribution at the reference, in probability
-- first_checkpoint: first checkpoint at which it contributes to the concept, in order of steps
-- first_step: training step of this, null if unknown
-- settled_step: first step from which it contributes at every checkpoint up to the reference, null if unknown
-- n_checkpoints: checkpoints from the first to the reference, both included, at which the concept ran and was
--   attributed by the rule
-- n_found: those at which it contributes
-- persistence: n_found / n_checkpoints
create macro knowledge_neuron_persistence_at(reference, t, p, by_rule := null) as table
with ran as (
    select
        scores.model,
        scores.dataset,
        scores.concept,
        scores.checkpoint,
        scores.step,
        coalesce(reference, latest.checkpoint) as reference_checkpoint,
        max(scores.step) filter (where scores.checkpoint = coalesce(reference, latest.checkpoint)) over (
            partition by scores.model, scores.dataset, scores.concept
        ) as reference_step
    from concept_scores as scores
    inner join attributed_by(by_rule) using (model, checkpoint, dataset)
    inner join last_checkpoints as latest using (model, dataset)
),

numbered as (
    select
        ran.*,
        row_number() over (
            partition by model, dataset, concept
            order by checkpoint = reference_checkpoint, step, checkpoint
        ) as place,
        count(*) over (partition by model, dataset, concept) as n_places
    from ran
    where checkpoint = reference_checkpoint or step <= coalesce(reference_step, step)
),

found as (
    select
        numbered.*,
        neurons.layer,
        neurons.neuron,
        neurons.attribution,
        bool_or(numbered.checkpoint = numbered.reference_checkpoint) over neuron_of_concept as in_reference,
        row_number() over (neuron_of_concept order by numbered.place desc) as places_back
    from knowledge_neurons_at(t, p, by_rule) as neurons
    inner join numbered using (model, checkpoint, dataset, concept)
    window neuron_of_concept as (
        partition by numbered.model, numbered.dataset, numbered.concept, neurons.layer, neurons.neuron
    )
),

ages as (
    select
        model,
        dataset,
        concept,
        reference_checkpoint,
        layer,
        neuron,
        any_value(attribution) filter (where checkpoint = reference_checkpoint) as attribution,
        arg_min(checkpoint, place) as first_checkpoint,
        arg_min_null(step, place) as first_step,
        arg_min_null(step, place) filter (where places_back = n_places - place + 1) as settled_step,
        any_value(n_places) - min(place) + 1 as n_checkpoints,
        count(*) as n_found
    from found
    where in_reference
    group by model, dataset, concept, reference_checkpoint, layer, neuron
)

select
    ages.*,
    n_found / n_checkpoints as persistence
from ages;
