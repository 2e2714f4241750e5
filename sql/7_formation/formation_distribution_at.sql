-- Whether knowledge and the effect of its neurons form together, over the concepts that a model has learned: those
-- whose median rank at the last checkpoint is at most k (macro formation_at).
-- view: formation_distribution(share := 0.5, k := 10)
-- grain: operation, per model and dataset
-- argument share: of the value at the last checkpoint, at which each counts as formed
-- argument k: highest median rank that counts as known
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, dataset, operation
-- n_concepts: concepts known at the last checkpoint whose neurons were changed
-- n_matter: those whose neurons matter to them at the last checkpoint
-- n_correlations: those with a correlation of probability and effect over checkpoints
-- correlation: its mean
-- median_lead: median of the steps by which the neurons matter before the concept is known
-- share_before: share, of the concepts that have both steps, whose neurons matter first
-- share_together: share in which both form at the same checkpoint
-- share_after: share that is known first
-- low: lower end of the 95 % interval of the mean correlation: 1,000 resamples of concepts (macro bootstrap_interval)
-- high: upper end
create macro formation_distribution_at(share, k, by_rule := null) as table
with means as (
    select
        model,
        dataset,
        operation,
        count(*) as n_concepts,
        count(*) filter (where last_effect > 0) as n_matter,
        count(correlation) as n_correlations,
        avg(correlation) as correlation,
        list(correlation order by concept) filter (where correlation is not null) as correlations,
        median(lead) as median_lead,
        avg((lead > 0)::integer) as share_before,
        avg((lead = 0)::integer) as share_together,
        avg((lead < 0)::integer) as share_after
    from formation_at(share, by_rule)
    where last_rank <= k
    group by model, dataset, operation
),

intervals as (
    select
        means.*,
        bootstrap_interval(bootstrap_means(correlations, 0), correlation, n_correlations) as bounds
    from means
)

select
    intervals.* exclude (correlations, bounds),
    bounds[1] as low,
    bounds[2] as high
from intervals;
