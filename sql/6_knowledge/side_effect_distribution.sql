-- What suppressing concepts' neurons does to neutral text, over concepts, beside as many random neurons of the same
-- layers (relation side_effects): the mean of each, with its 95 % interval from 1,000 resamples of concepts.
-- grain: arm, per model, checkpoint, dataset and corpus
-- columns: model, checkpoint, step, dataset, corpus, rule, arm
-- n_concepts: concepts whose neurons were set to zero
-- n_neurons: mean number of these neurons
-- n_sentences: sentences of the corpus
-- kl: mean over concepts of KL(before || after), in nats
-- loss_before: mean loss of the sentences' tokens, untouched, in nats
-- loss_change: mean over concepts of loss after - before
-- kl_low: lower end of the interval of kl, null for fewer than 4 concepts
-- kl_high: upper end
-- loss_low: lower end of the interval of loss_change
-- loss_high: upper end
create view side_effect_distribution as
with means as (
    select
        effects.model,
        effects.checkpoint,
        checkpoints.step,
        effects.dataset,
        effects.corpus,
        effects.rule,
        effects.arm,
        count(*) as n_concepts,
        avg(effects.n_neurons) as n_neurons,
        max(effects.n_sentences) as n_sentences,
        avg(effects.kl) as kl,
        avg(effects.loss_before) as loss_before,
        avg(effects.loss_after - effects.loss_before) as loss_change,
        list(effects.kl order by effects.concept) as divergences,
        list(effects.loss_after - effects.loss_before order by effects.concept) as changes
    from side_effects as effects
    left join checkpoints using (model, checkpoint)
    group by
        effects.model, effects.checkpoint, checkpoints.step, effects.dataset, effects.corpus, effects.rule, effects.arm
),

intervals as (
    select
        means.*,
        bootstrap_interval(bootstrap_means(divergences, 0), kl, n_concepts) as of_kl,
        bootstrap_interval(bootstrap_means(changes, 0), loss_change, n_concepts) as of_loss
    from means
)

select
    * exclude (divergences, changes, of_kl, of_loss),
    of_kl[1] as kl_low,
    of_kl[2] as kl_high,
    of_loss[1] as loss_low,
    of_loss[2] as loss_high
from intervals;
