-- The hidden neurons that moved most between two checkpoints, by their mean absolute change in standard deviations
-- before, with the best patterns of their top sentences before and after: of those with q-value at most 0.05 and
-- lift above 1, the three that tell its sentences best in the half they were not mined on (then by g2).
-- grain: set of sentences x rank
-- before_model: short name of the first model
-- before_checkpoint: its checkpoint
-- after_model: short name of the second model
-- after_checkpoint: its checkpoint
-- chosen_corpus: name of the corpus
-- most: neurons per set of sentences
-- model_before: model of the first checkpoint
-- checkpoint_before: label of the first checkpoint
-- model_after: model of the second checkpoint
-- checkpoint_after: label of the second checkpoint
-- corpus: name of the corpus
-- split: value of the metadata key that splits the corpus; all without one
-- rank: from 1 within the set of sentences; neurons that hardly varied before come last
-- layer: block, from 0
-- neuron: dimension of site hidden, from 0
-- mean_change: mean over sentences of the activation after minus before
-- mean_absolute_change: mean of its absolute value
-- std_before: standard deviation of the activation before
-- standardised_change: mean_absolute_change / std_before; null where that is below a thousandth of the layer's median
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

ranked as (
    select
        changes.*,
        row_number() over (
            partition by split
            order by standardised_change desc nulls last, layer asc, neuron asc
        ) as place
    from changes
),

moved as (
    select *
    from ranked
    where place <= most
),

places as (
    select distinct
        layer,
        neuron
    from moved
),

-- a pattern that was mined in several scopes counts once
candidates as (
    select
        neuron_patterns.model,
        neuron_patterns.checkpoint,
        neuron_patterns.layer,
        neuron_patterns.neuron,
        neuron_patterns.kind || ': ' || neuron_patterns.pattern_text as described,
        max(neuron_patterns.heldout_auroc) as best_auroc,
        max(neuron_patterns.g2) as best_g2
    from neuron_patterns
    inner join places using (layer, neuron)
    where
        neuron_patterns.site = 'hidden'
        and neuron_patterns.pole = 'top'
        and neuron_patterns.q_value <= 0.05
        and neuron_patterns.lift > 1
        and (
            (neuron_patterns.model = before_model and neuron_patterns.checkpoint = before_checkpoint)
            or (neuron_patterns.model = after_model and neuron_patterns.checkpoint = after_checkpoint)
        )
    group by
        neuron_patterns.model,
        neuron_patterns.checkpoint,
        neuron_patterns.layer,
        neuron_patterns.neuron,
        described
),

best as (
    select
        model,
        checkpoint,
        layer,
        neuron,
        list(described order by best_auroc desc nulls last, best_g2 desc, described asc)[:3] as patterns
    from candidates
    group by model, checkpoint, layer, neuron
)

select
    moved.model_before,
    moved.checkpoint_before,
    moved.model_after,
    moved.checkpoint_after,
    moved.corpus,
    moved.split,
    moved.place as rank,
    moved.layer,
    moved.neuron,
    moved.mean_change,
    moved.mean_absolute_change,
    moved.std_before,
    moved.standardised_change,
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
order by moved.split, moved.place;
