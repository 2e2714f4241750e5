-- Figures of a data set over training, mean over concepts, each with its 95 % interval: 1,000 resamples of concepts,
-- the same at every checkpoint that has the same ones (macro bootstrap_interval). A concept's prompts come with it: to
-- draw these anew as well counts their spread twice, and such intervals hold the mean in 98 to 99 % of data sets.
-- view: training_curves()
-- grain: figure x operation (null but for the specific effect), per model, checkpoint and dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, step, dataset
-- figure: probability of the answers; neurons per concept; share of the last checkpoint's neurons found; overlap of one
--   concept's prompts; overlap of different concepts' prompts; specific effect
-- operation: `zero`, `replace` or `double` of the specific effect, null for other figures
-- n_concepts: concepts with a value
-- mean: mean over these
-- low: lower end of its interval, null for fewer than 4 concepts
-- high: upper end

-- noqa: disable=RF05
create macro training_curves_of(by_rule := null) as table
with found as (
    select
        model,
        checkpoint,
        dataset,
        concept,
        count(*) as n_neurons
    from knowledge_neurons_at(0.2, 0.5, by_rule)
    group by model, checkpoint, dataset, concept
),

sharing as (
    from consistency_at(0.2, by_rule)
),

stability as (
    from knowledge_neuron_stability_at(null, 0.2, 0.5, by_rule)
),

of_concepts as (
    select
        model,
        checkpoint,
        scores.step,
        dataset,
        concept,
        null::varchar as operation,
        scores.probability,
        case when sharing.n_prompts > 0 then coalesce(found.n_neurons, 0) end::double as "neurons per concept",
        stability.share_found as "share of the last checkpoint's neurons found",
        sharing.overlap as "overlap of one concept's prompts",
        sharing.chance as "overlap of different concepts' prompts"
    from concept_scores as scores
    left join found using (model, checkpoint, dataset, concept)
    left join stability using (model, checkpoint, dataset, concept)
    left join sharing using (model, checkpoint, dataset, concept)
),

figures as (
    from (
        unpivot of_concepts
        on columns(* exclude (model, checkpoint, step, dataset, concept, operation))
        into name figure value value
    )
    union all by name
    select
        model,
        checkpoint,
        step,
        dataset,
        concept,
        operation,
        'specific effect' as figure,
        specific_effect as value
    from specific_effect_of(by_rule)
    where specific_effect is not null
),

means as (
    select
        model,
        checkpoint,
        step,
        dataset,
        figure,
        operation,
        count(*) as n_concepts,
        avg(value) as mean,
        list(value order by concept) as of_concepts
    from figures
    group by model, checkpoint, step, dataset, figure, operation
),

intervals as (
    select
        means.*,
        bootstrap_interval(bootstrap_means(of_concepts, 0), mean, n_concepts) as bounds
    from means
)

select
    intervals.* exclude (of_concepts, bounds),
    bounds[1] as low,
    bounds[2] as high
from intervals;
