-- How frequent each concept that a model ran is, by each source of frequencies, with the ten most and the ten least
-- frequent by it marked. Concepts whose frequency is not known have neither place nor mark; of fewer than 20 concepts
-- each half is marked, without the middle one. Ties fall to the order of the alphabet.
-- grain: concept that ran at any checkpoint x source, per model and dataset
-- columns: model, dataset, concept, frequency, frequency_source
-- place: 1 is the most frequent concept; null if unknown
-- extreme: most (of the ten most frequent), least (of the ten least frequent) or null
create view concept_frequency as
with ran as (
    select distinct
        model,
        dataset,
        concept
    from concept_scores
),

placed as (
    select
        ran.*,
        frequencies.frequency,
        frequencies.frequency_source,
        row_number() over frequent as place,
        count(frequencies.frequency) over (
            partition by ran.model, ran.dataset, frequencies.frequency_source
        ) as n_known
    from ran
    left join frequencies using (dataset, concept)
    window frequent as (
        partition by ran.model, ran.dataset, frequencies.frequency_source
        order by frequencies.frequency desc nulls last, ran.concept asc
    )
)

select
    * exclude (n_known) replace (case when frequency is not null then place end as place),
    case
        when frequency is null then null
        when place <= least(10, n_known // 2) then 'most'
        when place > n_known - least(10, n_known // 2) then 'least'
    end as extreme
from placed;
