-- How much of the answers' probability sets of neurons carry: f = (m(set) - m(none)) / (m(all) - m(none)), m the mean
-- probability over prompts with the set kept or removed, none with every neuron at the baseline and all with none there
-- (the faithfulness of Mueller et al. 2025, "MIB", arXiv 2504.13151, with means before the ratio as there). Where
-- m(all) hardly differs from m(none), as in models whose attention carries the answer, f is large and says little: see
-- m.
-- grain: rule x selection x arm x kept x size, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, rule, selection, arm, kept
-- share: of all neurons that the set has; of `concept` the mean over prompts
-- n_neurons: mean number of neurons of the set
-- n_prompts: prompts
-- probability: m, the mean probability of their answers
-- faithfulness: f, null where m(all) = m(none)
-- low: lower end of its 95 % interval: 1,000 resamples of prompts (macro bootstrap_interval), the same for all three m
-- high: upper end
create view faithfulness_curves as
with sets as (
    select
        faithfulness.*,
        checkpoints.step,
        checkpoints.n_layers * checkpoints.d_ffn as n_all,
        case when faithfulness.selection = 'prompt' then faithfulness.n_neurons end as size
    from faithfulness
    inner join checkpoints using (model, checkpoint)
),

ends as (
    select
        model,
        checkpoint,
        dataset,
        rule,
        prompt_id,
        max(probability) filter (where n_neurons = 0) as of_none,
        max(probability) filter (where n_neurons = n_all) as of_all
    from sets
    where selection = 'prompt' and arm = 'contributing' and kept
    group by model, checkpoint, dataset, rule, prompt_id
),

means as (
    select
        sets.model,
        sets.checkpoint,
        sets.step,
        sets.dataset,
        sets.rule,
        sets.selection,
        sets.arm,
        sets.kept,
        avg(sets.n_neurons / sets.n_all) as share,
        avg(sets.n_neurons) as n_neurons,
        count(*) as n_prompts,
        avg(sets.probability) as probability,
        (avg(sets.probability) - avg(ends.of_none))
        / nullif(avg(ends.of_all) - avg(ends.of_none), 0) as faithfulness,
        list(sets.probability::double order by sets.prompt_id) as of_sets,
        list(ends.of_none::double order by sets.prompt_id) as of_none,
        list(ends.of_all::double order by sets.prompt_id) as of_all
    from sets
    inner join ends using (model, checkpoint, dataset, rule, prompt_id)
    group by
        sets.model, sets.checkpoint, sets.step, sets.dataset, sets.rule, sets.selection, sets.arm, sets.kept, sets.size
),

intervals as (
    select
        means.*,
        bootstrap_interval(
            list_transform(
                list_zip(bootstrap_means(of_sets, 0), bootstrap_means(of_none, 0), bootstrap_means(of_all, 0)),
                lambda m: (m[1] - m[2]) / nullif(m[3] - m[2], 0)
            ),
            faithfulness,
            n_prompts
        ) as bounds
    from means
)

select
    intervals.* exclude (of_sets, of_none, of_all, bounds),
    bounds[1] as low,
    bounds[2] as high
from intervals;
