-- How frequent each concept of a data set is, by every source there is: wordfreq or the prompts' own file, and the text
-- of corpora (job counts). Of several facts of a concept it is their mean.
-- grain: concept x source, per dataset
-- columns: dataset, concept, frequency, frequency_source
create view frequencies as
select
    dataset,
    concept,
    frequency,
    frequency_source
from concepts
union all
select
    dataset,
    concept,
    n_sentences::double as frequency,
    'concepts in ' || corpus as frequency_source
from concept_counts
union all
select
    dataset,
    concept,
    avg(n_sentences) as frequency,
    'facts in ' || corpus as frequency_source
from fact_counts
group by dataset, concept, corpus;
