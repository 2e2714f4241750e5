-- An earlier version stored one rule, and not which; relp has come later. The second prompt of king had a probability of 0 before: it has no relative change.
insert into checkpoints (model, checkpoint, step) values ('m', 's10', 10);
insert into concepts (dataset, concept, frequency) values ('d', 'king', 5), ('d', 'tree', 3), ('d', 'sky', null);
insert into prompts (dataset, prompt_id, concept) values ('d', 1, 'king'), ('d', 3, 'tree');
insert into prompt_scores (model, checkpoint, dataset, prompt_id, rank) values ('m', 's10', 'd', 1, 20), ('m', 's10', 'd', 3, 1);
insert into attribution_quality (model, checkpoint, dataset, rule, layer) values ('m', 's10', 'd', 'adaptive', 0), ('m', 's10', 'd', 'relp', 0);
insert into interventions (
    model, checkpoint, dataset, operation, concept, prompt_id, polarity, arm, n_neurons, p_before, p_after, rank_before, rank_after
) values
('m', 's10', 'd', 'zero', 'king', 1, 'positive', 'contributing', 2, 0.5, 0.25, 1, 3), ('m', 's10', 'd', 'zero', 'king', 2, 'positive', 'contributing', 2, 0, 0.1, 3, 4),
('m', 's10', 'd', 'zero', 'tree', 3, 'positive', 'contributing', 1, 0.4, 0.1, 2, 2), ('m', 's10', 'd', 'zero', 'sky', 4, 'positive', 'contributing', 1, 0, 0.1, 2, 7);
insert into interventions (
    model, checkpoint, dataset, operation, rule, concept, prompt_id, polarity, arm, n_neurons, p_before, p_after, rank_before, rank_after
) values
('m', 's10', 'd', 'zero', 'relp', 'king', 1, 'positive', 'contributing', 9, 0.5, 0.125, 1, 8);

from relative_change order by concept;
values
('m', 's10', 10, 'd', 'king', 'zero', 'positive', 'contributing', 2, 2, 1, 0.25, 0.175, -50),
('m', 's10', 10, 'd', 'sky', 'zero', 'positive', 'contributing', 1, 1, 1, 0, 0.1, null),
('m', 's10', 10, 'd', 'tree', 'zero', 'positive', 'contributing', 1, 1, 0, 0.4, 0.1, -75);

from rank_change where concept != 'sky' order by concept;
values
('m', 's10', 10, 'd', 'king', 'zero', 'positive', 'contributing', 2, 2, 2, 3.5, 1.5, 1.5),
('m', 's10', 10, 'd', 'tree', 'zero', 'positive', 'contributing', 1, 1, 2, 2, 0, 0);

select concept, n_neurons, relative_change from relative_change_of('relp');
values ('king', 9, -75);
select concept, n_neurons, rank_change from rank_change_of(by_rule := 'relp');
values ('king', 9, 7);
select n_concepts, mean from relative_change_distribution_of('relp');
values (1, -75);
select rule, prompt_id, p_after from interventions_of() order by prompt_id;
values ('adaptive', 1, 0.25), ('adaptive', 2, 0.1), ('adaptive', 3, 0.1), ('adaptive', 4, 0.1);
select rule, prompt_id, p_after from interventions_of('relp');
values ('relp', 1, 0.125);

-- quantiles of -75 and -50
from relative_change_distribution;
values
('m', 's10', 10, 'd', 'zero', 'positive', 'contributing', 2, 1, 4, 2, -62.5, -75, -73.75, -68.75, -62.5, -56.25, -51.25, -50);

-- king is more frequent, is never acquired (later than all) and loses ranks; of sky no frequency is known
from frequency_correlation where frequency_source is null order by figure;
values
('m', 'd', 'rank change under zero', null, 's10', 10, 2, 1, null, null),
('m', 'd', 'step of acquisition', null, null, null, 2, 1, null, null);

-- in text it is not; of tree there are two facts, which stand in 1 and in 6 sentences
insert into concept_counts (dataset, corpus, concept, n_sentences) values ('d', 'c', 'king', 0), ('d', 'c', 'tree', 9), ('d', 'c', 'sky', 9);
insert into fact_counts (dataset, corpus, fact_id, concept, subject, n_sentences) values
('d', 'c', 'f', 'king', 'london', 4), ('d', 'c', 'g', 'tree', 'oak', 1), ('d', 'c', 'h', 'tree', 'ash', 6);
from frequencies order by all;
values
('d', 'king', 0, 'concepts in c'), ('d', 'king', 4, 'facts in c'), ('d', 'king', 5, null), ('d', 'sky', 9, 'concepts in c'), ('d', 'sky', null, null),
('d', 'tree', 3, null), ('d', 'tree', 3.5, 'facts in c'), ('d', 'tree', 9, 'concepts in c');
select figure, frequency_source, n, round(correlation, 6) from frequency_correlation where frequency_source is not null order by all;
values
('rank change under zero', 'concepts in c', 3, 0), ('rank change under zero', 'facts in c', 2, 1),
('step of acquisition', 'concepts in c', 2, -1), ('step of acquisition', 'facts in c', 2, 1);
