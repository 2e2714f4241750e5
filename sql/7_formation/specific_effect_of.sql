-- What a concept's contributing neurons do for it alone: the relative change on the concept's own prompts less that on
-- other concepts' prompts, each less what as many random neurons of the same layers do to the same prompt. Prompts with
-- a probability of 0 before have no relative change and are left out.
-- view: specific_effect()
-- grain: concept x operation, per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset
-- concept: the concept whose neurons were changed
-- columns: operation
-- n_neurons: neurons changed
-- n_own: its own prompts with a relative change
-- n_others: other concepts' prompts with one
-- own_change: mean over its own prompts of the relative change less that of the random arm, in percentage points
-- others_change: the same over other concepts' prompts
-- specific_effect: own_change - others_change, in percentage points; below 0 where its own answers lose more, which
--   suppression (zero, replace) of knowledge does; null without prompts of either kind
-- low: lower end of its 95 % interval: 1,000 resamples of both kinds of prompts (macro bootstrap_interval); null for
--   fewer than 4 of one
-- high: upper end
create macro specific_effect_of(by_rule := null) as table
with arms as (
    select
        *,
        (p_after - p_before) * 100 / nullif(p_before, 0) as change
    from interventions_of(by_rule)
),

prompts as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        operation,
        prompt_id,
        polarity,
        max(n_neurons) as n_neurons,
        sum(case when arm = 'contributing' then change else -change end) as change
    from arms
    where change is not null
    group by model, checkpoint, dataset, concept, operation, prompt_id, polarity
    having count(*) = 2
),

concepts as (
    select
        prompts.model,
        prompts.checkpoint,
        checkpoints.step,
        prompts.dataset,
        prompts.concept,
        prompts.operation,
        max(prompts.n_neurons) as n_neurons,
        count(*) filter (where prompts.polarity = 'positive') as n_own,
        count(*) filter (where prompts.polarity = 'negative') as n_others,
        avg(prompts.change) filter (where prompts.polarity = 'positive') as own_change,
        avg(prompts.change) filter (where prompts.polarity = 'negative') as others_change,
        list(prompts.change order by prompts.prompt_id) filter (where prompts.polarity = 'positive') as own,
        list(prompts.change order by prompts.prompt_id) filter (where prompts.polarity = 'negative') as others
    from prompts
    left join checkpoints using (model, checkpoint)
    group by
        prompts.model, prompts.checkpoint, checkpoints.step, prompts.dataset, prompts.concept, prompts.operation
),

intervals as (
    select
        concepts.*,
        own_change - others_change as specific_effect,
        bootstrap_interval(
            list_transform(
                list_zip(bootstrap_means(own, 0), bootstrap_means(others, 1)), lambda pair: pair[1] - pair[2]
            ),
            own_change - others_change,
            least(n_own, n_others)
        ) as bounds
    from concepts
)

select
    intervals.* exclude (own, others, bounds),
    bounds[1] as low,
    bounds[2] as high
from intervals;
