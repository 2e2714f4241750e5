-- Whether the prompts of a concept find the same neurons: the mean Jaccard index of the sets that two of its prompts
-- select, beside that of two prompts of different concepts, which is what chance gives. Paraphrases and templates of a
-- fact share its `fact_id`; a model can be consistent for these and not between facts with one answer (Chen et al.
-- 2024, arXiv 2405.14117, call facts whose paraphrases have other neurons inconsistent). Pairs of which neither prompt
-- selects a neuron are left out.
-- view: consistency(t := 0.2): the study's threshold
-- grain: concept that ran, per model, checkpoint and dataset
-- argument t: threshold of a prompt, share of its highest attribution; at least 0.05, the floor of what is stored
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset, concept, n_prompts
-- n_selected: mean number of neurons that a prompt selects
-- overlap: mean Jaccard index of two prompts of the concept
-- same_fact: that of two prompts of one fact
-- other_facts: that of two prompts of different facts of the concept
-- chance: that of a prompt of the concept and one of another: each prompt with 4 others, always the same
create macro consistency_at(t, by_rule := null) as table
with sets as (
    select
        selected.*,
        row_number() over (
            partition by model, checkpoint, dataset
            order by random_bits(prompt_id & 4294967295), prompt_id
        ) as place,
        count(*) over (partition by model, checkpoint, dataset) as n_places
    from selected_sets_at(t, by_rule) as selected
),

-- each with four others, chosen before the sets themselves are laid side by side
shifted as (
    select
        sets.*,
        unnest(range(1, least(5, n_places))) as shift
    from sets
),

others as (
    select
        shifted.* exclude (shift, place, n_places),
        1 + (place - 1 + shift) % n_places as other_place
    from shifted
),

pairs as (
    select
        a.model,
        a.checkpoint,
        a.dataset,
        a.concept,
        case when a.fact_id = b.fact_id then 'same fact' else 'other fact' end as kind,
        len(a.neurons) + len(b.neurons) as n_both,
        len(list_intersect(a.neurons, b.neurons)) as n_shared
    from sets as a
    inner join sets as b using (model, checkpoint, dataset, concept)
    where a.prompt_id < b.prompt_id
    union all
    select
        a.model,
        a.checkpoint,
        a.dataset,
        a.concept,
        'other concept' as kind,
        len(a.neurons) + len(b.neurons) as n_both,
        len(list_intersect(a.neurons, b.neurons)) as n_shared
    from others as a
    inner join sets as b
        on
            a.model = b.model and a.checkpoint = b.checkpoint and a.dataset = b.dataset
            and a.other_place = b.place
    where a.concept != b.concept
),

compared as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        avg(n_shared / nullif(n_both - n_shared, 0)) filter (where kind != 'other concept') as overlap,
        avg(n_shared / nullif(n_both - n_shared, 0)) filter (where kind = 'same fact') as same_fact,
        avg(n_shared / nullif(n_both - n_shared, 0)) filter (where kind = 'other fact') as other_facts,
        avg(n_shared / nullif(n_both - n_shared, 0)) filter (where kind = 'other concept') as chance
    from pairs
    group by model, checkpoint, dataset, concept
),

counts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_prompts,
        avg(len(neurons)) as n_selected
    from sets
    group by model, checkpoint, dataset, concept
)

select
    counts.model,
    counts.checkpoint,
    checkpoints.step,
    counts.dataset,
    counts.concept,
    counts.n_prompts,
    counts.n_selected,
    compared.overlap,
    compared.same_fact,
    compared.other_facts,
    compared.chance
from counts
left join compared using (model, checkpoint, dataset, concept)
left join checkpoints using (model, checkpoint);
