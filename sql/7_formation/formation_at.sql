-- Whether a concept's knowledge and the effect of its neurons form together: from which step the concept is known, from
-- which step its neurons matter to it alone (macro specific_effect_of), and how the two go together over checkpoints.
-- Checkpoints without a step have no place in time and are left out; of those of one step the later label is last.
-- view: formation(share := 0.5): half of the value at the last checkpoint
-- grain: concept x operation, per model and dataset
-- argument share: of the value at the last checkpoint, at which each counts as formed
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, dataset, concept, operation
-- n_checkpoints: checkpoints with a step at which the concept ran
-- n_effects: those at which it has contributing neurons that were changed
-- last_probability: mean probability of its answers at the last of them
-- last_rank: median rank there
-- last_effect: specific effect at the last that has one, in percentage points, its sign turned under zero and replace:
--   above 0 where the neurons matter to the concept
-- known_step: first step at which the probability is at least this share of last_probability
-- matters_step: first step at which the effect is at least this share of last_effect; null where that is not above 0
-- correlation: Spearman's over checkpoints, of probability and effect; null for fewer than 3, or where one is constant
-- lead: known_step - matters_step, in steps: above 0 where the neurons matter first
-- p_value: of the correlation (macro rank_correlation_p): exact for up to 7 checkpoints
create macro formation_at(share, by_rule := null) as table
with effects as (
    select
        *,
        case when operation = 'double' then specific_effect else -specific_effect end as effect
    from specific_effect_of(by_rule)
    where specific_effect is not null
),

operations as (
    select distinct
        model,
        dataset,
        concept,
        operation
    from effects
),

points as (
    select
        scores.model,
        scores.dataset,
        scores.concept,
        operations.operation,
        scores.step,
        scores.checkpoint,
        scores.probability,
        scores.median_rank,
        effects.effect
    from concept_scores as scores
    inner join operations using (model, dataset, concept)
    left join effects using (model, checkpoint, dataset, concept, operation)
    where scores.step is not null
),

ranked as (
    select
        points.*,
        arg_max(probability, (step, checkpoint)) over of_concept as last_probability,
        arg_max(effect, (step, checkpoint)) over of_concept as last_effect,
        case when effect is not null then rank() over (of_both order by probability) end + count(*) over (
            partition by model, dataset, concept, operation, effect is null, probability
        ) / 2 as probability_rank,
        case when effect is not null then rank() over (of_both order by effect) end + count(*) over (
            partition by model, dataset, concept, operation, effect
        ) / 2 as effect_rank
    from points
    window
        of_concept as (partition by model, dataset, concept, operation),
        of_both as (partition by model, dataset, concept, operation, effect is null)
),

formed as (
    select
        model,
        dataset,
        concept,
        operation,
        count(*) as n_checkpoints,
        count(effect) as n_effects,
        max(last_probability) as last_probability,
        arg_max(median_rank, (step, checkpoint)) as last_rank,
        max(last_effect) as last_effect,
        min(step) filter (where probability >= share::double * last_probability) as known_step,
        min(step) filter (where last_effect > 0 and effect >= share::double * last_effect) as matters_step,
        case
            when
                count(effect) >= 3
                and min(probability_rank) < max(probability_rank) and min(effect_rank) < max(effect_rank)
                -- without what the order of sums adds, and without -0
                then round(corr(probability_rank, effect_rank), 12) + 0
        end as correlation,
        list(probability_rank order by probability_rank) filter (where effect is not null) as probability_ranks,
        list(effect_rank order by effect_rank) filter (where effect is not null) as effect_ranks
    from ranked
    group by model, dataset, concept, operation
)

select
    formed.* exclude (probability_ranks, effect_ranks),
    known_step - matters_step as lead,
    rank_correlation_p(correlation, probability_ranks, effect_ranks) as p_value
from formed;
