-- One figure of every neuron, for maps and comparisons across layers; nothing else is computed.
-- grain: neuron x figure, per model, checkpoint, site and corpus
-- chosen: the figure; null for all of them, as in view neuron_figures
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- corpus: name of the corpus
-- layer: block, from 0
-- neuron: dimension, from 0
-- figure: of the activations: mean, std, skewness, kurtosis, share_positive; of the top sentences: mean_tokens,
--   mean_words; share:KEY=VALUE, the share with a metadata value; nouns, verbs, adjectives, adverbs, pronouns,
--   determiners, prepositions, conjunctions, numbers, modals, others: words of the class per sentence
-- value: the figure; shares and words are those of poles whose sentences do not all tie, and words those of the
--   annotator whose name comes first, where a corpus has several
create macro neuron_figures_of(chosen) as table
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
    from neuron_length
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

amounts as (
    select
        corpus,
        sentence_id,
        figure,
        amount
    from sentence_amounts(chosen)
),

offered as (
    select distinct
        corpus,
        figure
    from amounts
),

sums as (
    select
        topk.model,
        topk.checkpoint,
        topk.site,
        topk.corpus,
        topk.layer,
        topk.neuron,
        amounts.figure,
        sum(amounts.amount) as amount
    from neuron_topk as topk
    inner join amounts
        on topk.sentence_id = amounts.sentence_id and topk.corpus = amounts.corpus
    where topk.pole = 'top'
    group by topk.model, topk.checkpoint, topk.site, topk.corpus, topk.layer, topk.neuron, amounts.figure
),

per_sentence as (
    select
        poles.model,
        poles.checkpoint,
        poles.site,
        poles.corpus,
        poles.layer,
        poles.neuron,
        offered.figure,
        coalesce(sums.amount, 0) / poles.k as value
    from neuron_poles as poles
    inner join offered
        on poles.corpus = offered.corpus
    left join sums
        on
            poles.model = sums.model
            and poles.checkpoint = sums.checkpoint
            and poles.site = sums.site
            and poles.corpus = sums.corpus
            and poles.layer = sums.layer
            and poles.neuron = sums.neuron
            and offered.figure = sums.figure
    where
        poles.pole = 'top'
        and (
            chosen is null
            or chosen not in (
                'mean_tokens', 'mean_words', 'mean', 'std', 'skewness', 'kurtosis', 'share_positive'
            )
        )
)

select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from (unpivot lengths on mean_tokens, mean_words into name figure value value)
where chosen is null or figure = chosen
union all
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from (unpivot statistics on mean, std, skewness, kurtosis, share_positive into name figure value value)
where chosen is null or figure = chosen
union all
select
    model,
    checkpoint,
    site,
    corpus,
    layer,
    neuron,
    figure,
    value
from per_sentence;
