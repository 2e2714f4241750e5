-- Checkpoints of one step: the first of them is that of the earlier label, the last that of the later one.
insert into checkpoints (model, checkpoint, series, seed, step, n_layers) values
('m', 's0', 'm', 1, 0, 1), ('m', 's10', 'm', 1, 10, 1), ('m', 'r10', 'm', 1, 10, 1), ('m', 't10', 'm', 1, 10, 1);
insert into prompts (dataset, prompt_id, concept) values ('d', 1, 'king'), ('d', 2, 'tree');
insert into prompt_scores (model, checkpoint, dataset, prompt_id, probability, rank) values
('m', 's0', 'd', 1, 0.1, 20), ('m', 's10', 'd', 1, 0.4, 3), ('m', 'r10', 'd', 1, 0.6, 1), ('m', 't10', 'd', 1, 0.2, 7);
insert into attribution_quality (model, checkpoint, dataset, rule, prompt_id, layer, max_attribution) values
('m', 's10', 'd', 'adaptive', 1, 0, 0.5);
insert into interventions (
    model, checkpoint, dataset, operation, rule, concept, prompt_id, polarity, arm, n_neurons, p_before, p_after, rank_before, rank_after
) values
('m', 's10', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'contributing', 1, 0.4, 0.2, 1, 1),
('m', 's10', 'd', 'zero', 'adaptive', 'king', 1, 'positive', 'random', 1, 0.4, 0.4, 1, 1),
('m', 's10', 'd', 'zero', 'adaptive', 'king', 2, 'negative', 'contributing', 1, 0.4, 0.4, 1, 1),
('m', 's10', 'd', 'zero', 'adaptive', 'king', 2, 'negative', 'random', 1, 0.4, 0.4, 1, 1);

select checkpoint, step from last_checkpoints;
values ('t10', 10);
select concept, n_checkpoints, checkpoint, step, median_rank, n_known from acquisition;
values ('king', 4, 'r10', 10, 1, 3);
select n_checkpoints, last_probability, last_rank from formation;
values (4, 0.2, 7);
