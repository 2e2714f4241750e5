-- How far the runs of a series differ that differ by their seed alone (columns series and seed of checkpoints): each
-- figure of training_curves over seeds.
-- grain: figure x operation x step, per series and dataset
-- columns: series, step, dataset
-- figure: as in training_curves
-- operation: `zero`, `replace` or `double` of the specific effect, null for other figures
-- n_seeds: runs with the figure at this step
-- mean: mean over these of the figure, which is a mean over concepts
-- std: standard deviation between them (n - 1), null for one
-- lowest: lowest of them
-- highest: highest of them
create view seed_spread as
select
    checkpoints.series,
    curves.step,
    curves.dataset,
    curves.figure,
    curves.operation,
    count(distinct checkpoints.seed) as n_seeds,
    avg(curves.mean) as mean,
    stddev_samp(curves.mean) as std,
    min(curves.mean) as lowest,
    max(curves.mean) as highest
from training_curves as curves
inner join checkpoints using (model, checkpoint)
where checkpoints.seed is not null and curves.step is not null
group by checkpoints.series, curves.step, curves.dataset, curves.figure, curves.operation;
