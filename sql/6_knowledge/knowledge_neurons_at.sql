-- The contributing neurons of each concept: of every prompt the neurons that reach a share t of its highest
-- attribution, of these the ones that at least a share p of the concept's prompts have in common (Dai et al. 2021,
-- "Knowledge Neurons in Pretrained Transformers"). Prompts that ran and stored no attribution count as prompts that
-- selected nothing. Only positive attributions are selected.
-- view: knowledge_neurons(t := 0.2, p := 0.5): the study's thresholds, a fifth of a prompt's highest attribution and
--   half of the concept's prompts
-- grain: concept x neuron, per model, checkpoint and dataset
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument p: threshold of a concept, share of its prompts that ran
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset, concept, layer
-- neuron: neuron of site ffn, from 0
-- columns: rule
-- n_selected: prompts that selected the neuron
-- attribution: mean knowledge attribution over the prompts that selected it, in probability
-- columns: n_prompts
-- share: n_selected / n_prompts
create macro knowledge_neurons_at(t, p, by_rule := null) as table
with selected as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        layer,
        neuron,
        rule,
        count(*) as n_selected,
        avg(attribution) as attribution
    from selected_attributions_at(t, by_rule)
    group by model, checkpoint, dataset, rule, concept, layer, neuron
)

select
    selected.*,
    concept_scores.n_prompts,
    selected.n_selected / concept_scores.n_prompts as share
from selected
inner join concept_scores using (model, checkpoint, dataset, concept)
where share >= p::double;
