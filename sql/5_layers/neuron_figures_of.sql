-- Figures of every neuron, one per row, for maps and comparisons across layers; of one that is chosen nothing else is
-- read.
-- view: neuron_figures(chosen := null): all figures, which takes long: ask neuron_figures_of for one
-- grain: neuron x figure, per model, checkpoint, site and corpus
-- argument chosen: the figure; null for all of them, as in view neuron_figures
-- columns: model, checkpoint, site, corpus, layer, neuron
-- figure: of the activations: mean, std, skewness, kurtosis, share_positive; of the top sentences: mean_tokens,
--   mean_words; share:KEY=VALUE, the share with a metadata value; nouns, verbs, adjectives, adverbs, pronouns,
--   determiners, prepositions, conjunctions, numbers, modals, others: words of the class per sentence
-- value: the figure; shares and words are those of poles whose sentences do not all tie, and words those of the
--   annotator whose name comes first, where a corpus has several
create macro neuron_figures_of(chosen) as table
-- which kind of figure is chosen is said of `chosen` alone, so that the relations of other kinds are not read
with lengths as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        mean_tokens,
        mean_words
    from neuron_profiles
    where pole = 'top' and (chosen is null or chosen in ('mean_tokens', 'mean_words'))
),

statistics as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        mean,
        std,
        skewness,
        kurtosis,
        share_positive
    from neuron_stats
    where chosen is null or chosen in ('mean', 'std', 'skewness', 'kurtosis', 'share_positive')
),

shares as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        neuron,
        share as value,
        'share:' || key || '=' || value as figure
    from neuron_metadata
    where
        pole = 'top'
        and (
            chosen is null
            or (
                starts_with(chosen, 'share:')
                and 'share:' || key || '=' || value = chosen
                -- the same of the key alone, which rows are sorted by: files of others are passed over
                and key between substr(chosen, 7, 1) and substr(chosen, 7)
            )
        )
),

annotators as (
    select
        model,
        checkpoint,
        site,
        corpus,
        min(annotator) as annotator
    from neuron_tag_distribution
    group by model, checkpoint, site, corpus
),

words_of_classes as (
    select
        tags.model,
        tags.checkpoint,
        tags.site,
        tags.corpus,
        tags.layer,
        tags.neuron,
        tags.class || 's' as figure,
        sum(tags.words) / any_value(tags.k) as value
    from neuron_tag_distribution as tags
    inner join annotators using (model, checkpoint, site, corpus, annotator)
    where
        tags.pole = 'top'
        and (
            chosen is null
            or (
                not starts_with(chosen, 'share:')
                and chosen not in (
                    'mean_tokens', 'mean_words', 'mean', 'std', 'skewness', 'kurtosis', 'share_positive'
                )
                and tags.class = substr(chosen, 1, length(chosen) - 1)
                and chosen = tags.class || 's'
            )
        )
    group by tags.model, tags.checkpoint, tags.site, tags.corpus, tags.layer, tags.neuron, tags.class
)

from (unpivot lengths on mean_tokens, mean_words into name figure value value)
where chosen is null or figure = chosen
union all
from (unpivot statistics on mean, std, skewness, kurtosis, share_positive into name figure value value)
where chosen is null or figure = chosen
union all by name
from shares
union all
from words_of_classes;
