-- What a sentence adds to a figure of the neurons that have it among their top sentences: 1 for a metadata value that
-- it has, the number of its words of a class.
-- grain: sentence x figure
-- chosen: the figure, of neuron_figures_of; null for all of them
-- corpus: name of the corpus
-- sentence_id: the sentence
-- figure: share:KEY=VALUE, nouns, verbs, adjectives …
-- amount: what it adds; words are those of the annotator whose name comes first, where a corpus has several
create macro sentence_amounts(chosen) as table
with annotators as (
    select
        corpus,
        min(annotator) as annotator
    from annotations
    group by corpus
)

select
    corpus,
    sentence_id,
    'share:' || key || '=' || value as figure,
    1 as amount
from sentence_metadata
where chosen is null or (starts_with(chosen, 'share:') and 'share:' || key || '=' || value = chosen)
union all
select
    words.corpus,
    words.sentence_id,
    words.class || 's' as figure,
    count(*) as amount
from annotated_words as words
inner join annotators
    on words.corpus = annotators.corpus and words.annotator = annotators.annotator
where
    chosen is null
    or (
        chosen in (
            'nouns', 'verbs', 'adjectives', 'adverbs', 'pronouns', 'determiners', 'prepositions', 'conjunctions',
            'numbers', 'modals', 'others'
        )
        and words.class || 's' = chosen
    )
group by words.corpus, words.sentence_id, words.class;
