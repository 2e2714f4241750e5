-- The hidden neurons that moved most between two checkpoints, by their mean absolute change in standard deviations
-- before, with the best patterns of their top sentences before and after: of those with mined_q_value at most 0.05 and
-- mined_lift above 1, the three of highest mined_g2 (see mined_patterns).
-- grain: set of sentences x rank
-- argument before_model: short name of the first model
-- argument before_checkpoint: its checkpoint
-- argument after_model: short name of the second model
-- argument after_checkpoint: its checkpoint
-- argument chosen_corpus: name of the corpus
-- argument most: neurons per set of sentences
-- columns: model_before, checkpoint_before, model_after, checkpoint_after, corpus, split
-- columns: layer
-- neuron: dimension of site hidden, from 0
-- columns: mean_change, mean_absolute_change, std_before
-- standardised_change: mean_absolute_change / std_before; null where that is below a thousandth of the layer's median
-- rank: from 1 within the set of sentences; neurons that hardly varied before come last
-- patterns_before: kind and pattern of up to three at site hidden, best first; empty where none is or none were mined
-- patterns_after: the same of the second checkpoint
create macro moved_neurons(
    before_model, before_checkpoint, after_model, after_checkpoint, chosen_corpus, most
) as table
with changes as (
    select
        *,
        case
            when std_before > 0 and std_before >= 0.001 * median(std_before) over (partition by split, layer)
                then mean_absolute_change / std_before
        end as standardised_change
    from neuron_distances
    where
        model_before = before_model
        and checkpoint_before = before_checkpoint
        and model_after = after_model
        and checkpoint_after = after_checkpoint
        and corpus = chosen_corpus
),

moved as (
    select
        changes.*,
        row_number() over (
            partition by split
            order by standardised_change desc nulls last, layer asc, neuron asc
        ) as rank
    from changes
    qualify rank <= most
),

-- a pattern that was mined in several scopes counts once
candidates as (
    select
        model,
        checkpoint,
        layer,
        neuron,
        kind || ': ' || pattern_text as described,
        max(mined_g2) as best_g2
    from mined_patterns
    semi join moved using (layer, neuron)
    where
        site = 'hidden'
        and pole = 'top'
        and mined_q_value <= 0.05
        and mined_lift > 1
        and (
            (model = before_model and checkpoint = before_checkpoint)
            or (model = after_model and checkpoint = after_checkpoint)
        )
    group by model, checkpoint, layer, neuron, described
),

best as (
    select
        model,
        checkpoint,
        layer,
        neuron,
        list(described order by best_g2 desc, described asc)[:3] as patterns
    from candidates
    group by model, checkpoint, layer, neuron
)

select
    moved.*,
    coalesce(first_best.patterns, []) as patterns_before,
    coalesce(second_best.patterns, []) as patterns_after
from moved
left join best as first_best
    on
        moved.model_before = first_best.model
        and moved.checkpoint_before = first_best.checkpoint
        and moved.layer = first_best.layer
        and moved.neuron = first_best.neuron
left join best as second_best
    on
        moved.model_after = second_best.model
        and moved.checkpoint_after = second_best.checkpoint
        and moved.layer = second_best.layer
        and moved.neuron = second_best.neuron
order by moved.split, moved.rank;
