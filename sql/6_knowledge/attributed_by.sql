-- Where a rule has attributed prompts: at other checkpoints it has selected nothing because nobody asked it to.
-- grain: model x checkpoint x dataset
-- argument by_rule: adaptive, riemann, linspace, gradient, relp or logit; null for the one of chosen_rules
-- columns: model, checkpoint, dataset
create macro attributed_by(by_rule := null) as table
select distinct
    quality.model,
    quality.checkpoint,
    quality.dataset
from attribution_quality as quality
inner join chosen_rules using (model, checkpoint, dataset)
where quality.layer = 0 and quality.rule = coalesce(by_rule, chosen_rules.rule);
