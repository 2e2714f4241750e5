-- How frequent each concept that a model ran is, with the ten most and the ten least frequent marked. Concepts whose
-- frequency is not known have neither place nor mark; of fewer than 20 concepts each half is marked, without the middle
-- one. Ties fall to the order of the alphabet.
-- grain: concept that ran at any checkpoint, per model and dataset
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
        concepts.frequency,
        concepts.frequency_source,
        row_number() over frequent as place,
        count(concepts.frequency) over (partition by ran.model, ran.dataset) as n_known
    from ran
    left join concepts using (dataset, concept)
    window frequent as (
        partition by ran.model, ran.dataset
        order by concepts.frequency desc nulls last, ran.concept asc
    )
)

select
    model,
    dataset,
    concept,
    frequency,
    frequency_source,
    case when frequency is not null then place end as place,
    case
        when frequency is null then null
        when place <= least(10, n_known // 2) then 'most'
        when place > n_known - least(10, n_known // 2) then 'least'
    end as extreme
from placed;
