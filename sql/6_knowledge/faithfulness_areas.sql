-- How faithful each rule is in one number, over growing sets of its best neurons, beside random sets of the same layers
-- (view faithfulness_curves): the area under f, and that between f and 1 (CPR and CMD of Mueller et al. 2025, "MIB",
-- arXiv 2504.13151), by trapezoids over the share of neurons kept, as there, and over its logarithm, where small sets
-- count as much as large ones; both over the smallest to the largest set and by its width, so that f = 1 has area 1.
-- grain: rule x arm, per model, checkpoint and dataset
-- columns: model, checkpoint, step, dataset, rule, arm
-- n_prompts: prompts
-- cpr: area under f over the share of neurons kept; the higher the better
-- cmd: area of |1 - f| over it; the lower the better
-- cpr_log: area under f over the logarithm of the share
-- cmd_log: area of |1 - f| over it
create view faithfulness_areas as
with steps as (
    select
        curves.*,
        share - lag(share) over by_size as width,
        ln(share) - ln(lag(share) over by_size) as log_width,
        (faithfulness + lag(faithfulness) over by_size) / 2 as height,
        (abs(1 - faithfulness) + abs(1 - lag(faithfulness) over by_size)) / 2 as distance
    from faithfulness_curves as curves
    where selection = 'prompt' and kept and n_neurons > 0
    window by_size as (partition by model, checkpoint, dataset, rule, arm order by n_neurons)
)

select
    model,
    checkpoint,
    step,
    dataset,
    rule,
    arm,
    max(n_prompts) as n_prompts,
    sum(width * height) / sum(width) as cpr,
    sum(width * distance) / sum(width) as cmd,
    sum(log_width * height) / sum(log_width) as cpr_log,
    sum(log_width * distance) / sum(log_width) as cmd_log
from steps
group by model, checkpoint, step, dataset, rule, arm;
