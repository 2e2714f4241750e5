-- Whether frequent words behave differently: Spearman's correlation of a concept's frequency with the step at which it
-- is acquired (concepts never acquired count as later than all others, tied), and with its mean rank change when its
-- contributing neurons are set to zero, on its own prompts. Ties have their mean rank; p-values are two-sided, those of
-- scipy.stats.spearmanr for 8 concepts or more, exact for fewer. Concepts of unknown frequency are left out.
-- grain: figure x source of frequencies x checkpoint (none for the step of acquisition), per model and dataset
-- columns: model, dataset
-- figure: step of acquisition, or rank change under zero
-- columns: frequency_source
-- checkpoint: label of the checkpoint, null for the step of acquisition
-- step: training step of the checkpoint, null if unknown or for the step of acquisition
-- n: concepts
-- correlation: Spearman's rank correlation, null where frequency or figure has one value only
-- p_value: of the correlation (macro rank_correlation_p), null for fewer than 3 concepts
-- q_value: Benjamini-Hochberg over the checkpoints of the figure and source, null where p is
create view frequency_correlation as
with figures as (
    select
        model,
        dataset,
        concept,
        'step of acquisition' as figure,
        null::varchar as checkpoint,
        null::bigint as step,
        coalesce(step::double, 'infinity'::double) as value
    from acquisition
    where n_checkpoints > 0
    union all
    select
        model,
        dataset,
        concept,
        'rank change under zero' as figure,
        checkpoint,
        step,
        rank_change as value
    from rank_change
    where operation = 'zero' and polarity = 'positive' and arm = 'contributing'
),

ranked as (
    select
        figures.model,
        figures.dataset,
        figures.figure,
        frequencies.frequency_source,
        figures.checkpoint,
        figures.step,
        rank() over (of_figure order by frequencies.frequency) + count(*) over (
            partition by figures.model, figures.dataset, figures.figure, figures.checkpoint,
                frequencies.frequency_source, frequencies.frequency
        ) / 2 as frequency_rank,
        rank() over (of_figure order by figures.value) + count(*) over (
            partition by figures.model, figures.dataset, figures.figure, figures.checkpoint,
                frequencies.frequency_source, figures.value
        ) / 2 as value_rank
    from figures
    inner join frequencies using (dataset, concept)
    where frequencies.frequency is not null
    window of_figure as (
        partition by figures.model, figures.dataset, figures.figure, figures.checkpoint, frequencies.frequency_source
    )
),

correlated as (
    select
        model,
        dataset,
        figure,
        frequency_source,
        checkpoint,
        step,
        count(*) as n,
        case
            when min(frequency_rank) < max(frequency_rank) and min(value_rank) < max(value_rank)
                then corr(frequency_rank, value_rank)
        end as correlation,
        list(frequency_rank order by frequency_rank) as frequency_ranks,
        list(value_rank order by value_rank) as value_ranks
    from ranked
    group by model, dataset, figure, frequency_source, checkpoint, step
),

tested as (
    select
        correlated.* exclude (frequency_ranks, value_ranks),
        rank_correlation_p(correlation, frequency_ranks, value_ranks) as p_value
    from correlated
),

placed as (
    select
        tested.*,
        row_number() over (
            partition by model, dataset, figure, frequency_source
            order by p_value nulls last, checkpoint
        ) as place,
        count(p_value) over (partition by model, dataset, figure, frequency_source) as n_tests
    from tested
)

select
    placed.* exclude (place, n_tests),
    case
        when p_value is not null then min(p_value * n_tests / place) over (
            partition by model, dataset, figure, frequency_source
            order by place desc
            rows between unbounded preceding and current row
        )
    end as q_value
from placed;
