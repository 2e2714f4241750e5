-- The attribution rule that is taken where none is named: the integrated gradients that are stored (adaptive before
-- riemann before linspace), else the first of gradient, relp and logit that is. Where checkpoints have different ones,
-- name one that all have to compare them.
-- grain: model x checkpoint x dataset with attributions
-- columns: model, checkpoint, dataset, rule
create view chosen_rules as
select
    model,
    checkpoint,
    dataset,
    arg_min(rule, list_position(['adaptive', 'riemann', 'linspace', 'gradient', 'relp', 'logit'], rule)) as rule
from attribution_quality
where layer = 0
group by model, checkpoint, dataset;
