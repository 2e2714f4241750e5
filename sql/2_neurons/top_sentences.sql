-- The k sentences of highest and of lowest activation of every neuron over a set of corpora: exact, since the
-- top k of a union lie in the union of the top k.
-- grain: neuron x pole x rank, per model, checkpoint and site
-- argument corpora: list of names of corpora
-- argument k: sentences per neuron and pole, at most the K of the ingest
-- columns: model, checkpoint, site, corpus, layer, neuron, pole
-- rank: from 1 within the union; ties: lower sentence_id first
-- columns: sentence_id, activation, text
create macro top_sentences(corpora, k) as table
with candidates as (
    select *
    from neuron_topk
    where list_contains(corpora, corpus) and rank <= k
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
    sentences.text
from ranked
inner join sentences using (corpus, sentence_id)
where ranked.place <= k;
