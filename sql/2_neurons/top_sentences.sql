-- The k sentences of highest and of lowest activation of every neuron over a set of corpora: exact, since the
-- top k of a union lie in the union of the top k.
-- grain: neuron x pole x rank, per model, checkpoint and site
-- argument corpora: list of names of corpora
-- argument k: sentences per neuron and pole, at most as many as are exact: the least that is kept of a corpus, of those
--   of which not all sentences are
-- columns: model, checkpoint, site, corpus, layer, neuron, pole
-- rank: from 1 within the union; ties: lower sentence_id first
-- columns: sentence_id, activation, text, doc_id
create macro top_sentences(corpora, k) as table
with candidates as (
    select *
    from neuron_topk
    where list_contains(corpora, corpus) and rank <= k
),

-- all neurons of a layer have as many sentences; of one corpus all that is kept is exact
kept as (
    select
        model,
        checkpoint,
        site,
        corpus,
        layer,
        max(rank) as depth
    from neuron_topk
    where len(corpora) > 1 and list_contains(corpora, corpus) and neuron = 0 and pole = 'top'
    group by model, checkpoint, site, corpus, layer
),

exact as (
    select
        kept.model,
        kept.checkpoint,
        kept.site,
        kept.layer,
        min(kept.depth) as depth
    from kept
    inner join corpus_sizes using (model, checkpoint, corpus)
    where kept.depth < corpus_sizes.n_sentences
    group by kept.model, kept.checkpoint, kept.site, kept.layer
),

ranked as (
    select
        candidates.*,
        row_number() over (
            partition by model, checkpoint, site, layer, neuron, pole
            order by case when pole = 'top' then -activation else activation end, sentence_id
        ) as place
    from candidates
)

select
    ranked.* exclude (place, token_position) replace (ranked.place as rank),
    sentences.text,
    sentences.doc_id
from ranked
inner join sentences using (corpus, sentence_id)
left join exact using (model, checkpoint, site, layer)
where ranked.place <= least(k, coalesce(exact.depth, k));
