-- Which of a concept's contributing neurons at a reference checkpoint contribute at each other checkpoint.
-- view: knowledge_neuron_stability(reference := null, t := 0.2, p := 0.5): the last checkpoint, the study's thresholds
-- grain: concept that ran at both x checkpoint attributed by the rule, per model and dataset
-- argument reference: label of the reference checkpoint; null for each model's last by step (view last_checkpoints)
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument p: threshold of a concept, share of its prompts that ran
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, dataset, concept
-- checkpoint: label of the checkpoint, the reference included
-- columns: step, reference_checkpoint
-- n_neurons: its contributing neurons at the checkpoint
-- columns: n_shared
-- n_reference: the concept's contributing neurons at the reference
-- share_found: n_shared / n_reference, null where the reference has none
-- jaccard: n_shared / neurons that are either, null where there are none
create macro knowledge_neuron_stability_at(reference, t, p, by_rule := null) as table
with neurons as (
    select
        found.model,
        found.checkpoint,
        found.dataset,
        found.concept,
        bool_or(found.checkpoint = coalesce(reference, latest.checkpoint)) over (
            partition by found.model, found.dataset, found.concept, found.layer, found.neuron
        ) as in_reference
    from knowledge_neurons_at(t, p, by_rule) as found
    inner join last_checkpoints as latest using (model, dataset)
),

counts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_neurons,
        count(*) filter (where in_reference) as n_shared
    from neurons
    group by model, checkpoint, dataset, concept
),

compared as (
    select
        scores.model,
        scores.dataset,
        scores.concept,
        scores.checkpoint,
        scores.step,
        coalesce(reference, latest.checkpoint) as reference_checkpoint,
        coalesce(counts.n_neurons, 0) as n_neurons,
        coalesce(counts.n_shared, 0) as n_shared,
        max(coalesce(counts.n_neurons, 0)) filter (
            where scores.checkpoint = coalesce(reference, latest.checkpoint)
        ) over (partition by scores.model, scores.dataset, scores.concept) as n_reference
    from concept_scores as scores
    inner join attributed_by(by_rule) using (model, checkpoint, dataset)
    left join counts using (model, checkpoint, dataset, concept)
    inner join last_checkpoints as latest using (model, dataset)
)

select
    *,
    n_shared / nullif(n_reference, 0) as share_found,
    n_shared / nullif(n_reference + n_neurons - n_shared, 0) as jaccard
from compared
where n_reference is not null;
