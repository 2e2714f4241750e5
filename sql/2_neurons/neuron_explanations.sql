-- What is said in words of neurons, and how well it tells their top sentences from others: the explanation was made of
-- the first half of the sentences, and a judge who was given it and nothing else has sorted sentences of the second.
-- A score means something beside its control alone, that of the explanation of another neuron of the layer.
-- grain: neuron x source x place, per model, checkpoint and site
-- columns: model, checkpoint, site, source, layer, neuron, place, explanation, explainer, method
-- scope: corpora whose sentences it was made of or judged on; null without
-- columns: published_score, published_score_kind, judge
-- n_top: top sentences judged; null where nothing was judged
-- n_others: other sentences judged
-- auroc: of the judge's scores, with ties counted as half: 0.5 for an explanation that says nothing
-- balanced_accuracy: of its verdicts: mean of the share of top sentences it takes and of others it refuses
-- control_auroc: auroc with the explanation of another neuron; null where the layer has no other
-- control_balanced_accuracy: balanced_accuracy with that
create view neuron_explanations as
with ranked as (
    select
        *,
        rank() over (partition by model, checkpoint, site, source, layer, neuron, place, whose order by score) as below,
        count(*) over (
            partition by model, checkpoint, site, source, layer, neuron, place, whose, score
        ) as tied
    from explanation_judgements
),

scored as (
    select
        model,
        checkpoint,
        site,
        source,
        layer,
        neuron,
        place,
        whose,
        any_value(judge) as judge,
        sum(is_top) as n_top,
        sum(1 - is_top) as n_others,
        (sum(is_top * (below + (tied - 1) / 2)) - n_top * (n_top + 1) / 2) / nullif(n_top * n_others, 0) as auroc,
        (avg(verdict) filter (where is_top = 1) + 1 - avg(verdict) filter (where is_top = 0)) / 2 as balanced_accuracy
    from ranked
    group by model, checkpoint, site, source, layer, neuron, place, whose
),

own as (
    select *
    from scored
    where whose = 'own'
),

control as (
    select *
    from scored
    where whose = 'shuffled'
)

select
    explanations.* exclude (examples, prompt),
    own.judge,
    own.n_top::integer as n_top,
    own.n_others::integer as n_others,
    own.auroc,
    own.balanced_accuracy,
    control.auroc as control_auroc,
    control.balanced_accuracy as control_balanced_accuracy
from explanations
left join own
    using (model, checkpoint, site, source, layer, neuron, place)
left join control
    using (model, checkpoint, site, source, layer, neuron, place);
