-- The k sentences of highest and of lowest activation of every neuron over a set of corpora: exact, since the
-- top k of a union lie in the union of the top k.
-- grain: neuron x pole x rank, per model, checkpoint and site
-- argument corpora: list of names of corpora
-- argument k: sentences per neuron and pole, at most the K of the ingest
-- columns: model, checkpoint, site, layer, neuron, pole
-- rank: from 1 within the union; ties: lower sentence_id first
-- columns: corpus, activation, sentence_id, text, doc_id
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
    ranked.model,
    ranked.checkpoint,
    ranked.site,
    ranked.layer,
    ranked.neuron,
    ranked.pole,
    ranked.place as rank,
    ranked.corpus,
    ranked.activation,
    ranked.sentence_id,
    sentences.text,
    sentences.doc_id
from ranked
inner join sentences
    on ranked.sentence_id = sentences.sentence_id and ranked.corpus = sentences.corpus
where ranked.place <= k;
