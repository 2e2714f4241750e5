-- Which concepts, and how many neurons, the threshold on a concept's prompts hides: neurons that the prompts of one of
-- its facts have in common (at least a share p of them) and the prompts of the whole concept have not.
-- view: hidden_knowledge(t := 0.2, p := 0.5): the study's thresholds
-- grain: concept that ran, per model, checkpoint and dataset
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument p: threshold of a concept, share of its prompts that ran
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset, concept, n_prompts
-- n_facts: facts of these prompts
-- n_selected: neurons that any of its prompts selects
-- n_neurons: its contributing neurons; 0 with n_selected above 0: the threshold hides the concept
-- best_share: the highest share of its prompts that select one neuron: up to this p it has contributing neurons
-- n_hidden: neurons of one of its facts that are not among its contributing neurons
create macro hidden_knowledge_at(t, p, by_rule := null) as table
with sets as (
    from selected_sets_at(t, by_rule)
),

facts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        fact_id,
        count(*) as n_prompts
    from sets
    group by model, checkpoint, dataset, concept, fact_id
),

concepts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_facts,
        sum(n_prompts)::bigint as n_prompts
    from facts
    group by model, checkpoint, dataset, concept
),

chosen as (
    select
        sets.* exclude (neurons),
        unnest(sets.neurons) as code
    from sets
),

of_facts as (
    select
        chosen.model,
        chosen.checkpoint,
        chosen.dataset,
        chosen.concept,
        chosen.code,
        count(*) as n_selected,
        count(*) / any_value(facts.n_prompts) as of_fact
    from chosen
    inner join facts using (model, checkpoint, dataset, concept, fact_id)
    group by chosen.model, chosen.checkpoint, chosen.dataset, chosen.concept, chosen.fact_id, chosen.code
),

neurons as (
    select
        of_facts.model,
        of_facts.checkpoint,
        of_facts.dataset,
        of_facts.concept,
        sum(of_facts.n_selected) / any_value(concepts.n_prompts) as share,
        max(of_facts.of_fact) as of_fact
    from of_facts
    inner join concepts using (model, checkpoint, dataset, concept)
    group by of_facts.model, of_facts.checkpoint, of_facts.dataset, of_facts.concept, of_facts.code
),

counts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_selected,
        count(*) filter (where share >= p::double) as n_neurons,
        max(share) as best_share,
        count(*) filter (where of_fact >= p::double and share < p::double) as n_hidden
    from neurons
    group by model, checkpoint, dataset, concept
)

select
    concepts.model,
    concepts.checkpoint,
    checkpoints.step,
    concepts.dataset,
    concepts.concept,
    concepts.n_prompts,
    concepts.n_facts,
    coalesce(counts.n_selected, 0) as n_selected,
    coalesce(counts.n_neurons, 0) as n_neurons,
    coalesce(counts.best_share, 0) as best_share,
    coalesce(counts.n_hidden, 0) as n_hidden
from concepts
left join counts using (model, checkpoint, dataset, concept)
left join checkpoints using (model, checkpoint);
