-- neuron 1 is told well, its control is not; 2 has a tie; 3 was not judged
insert into explanations (model, checkpoint, site, source, layer, neuron, place, explanation, explainer, method, scope, published_score, published_score_kind) values
('m', 's', 'ffn', 'template', 0, 1, 1, 'Sentences with "King" or "queen".', 'template', 'template', 'a', null, null),
('m', 's', 'ffn', 'template', 0, 2, 1, 'Sentences with "cat".', 'template', 'template', 'a', null, null),
('m', 's', 'ffn', 'openai', 0, 3, 1, 'kings and cats', null, null, null, 0.25, 'ev_correlation_score');
insert into explanation_judgements (model, checkpoint, site, source, layer, neuron, place, whose, sentence_id, is_top, judge, score, verdict) values
('m', 's', 'ffn', 'template', 0, 1, 1, 'own', 1, 1, 'words', 0.9, 1), ('m', 's', 'ffn', 'template', 0, 1, 1, 'own', 2, 1, 'words', 0.4, 0),
('m', 's', 'ffn', 'template', 0, 1, 1, 'own', 3, 0, 'words', 0.5, 0), ('m', 's', 'ffn', 'template', 0, 1, 1, 'own', 4, 0, 'words', 0.1, 0),
('m', 's', 'ffn', 'template', 0, 1, 1, 'shuffled', 1, 1, 'words', 0, 0), ('m', 's', 'ffn', 'template', 0, 1, 1, 'shuffled', 2, 1, 'words', 0, 0),
('m', 's', 'ffn', 'template', 0, 1, 1, 'shuffled', 3, 0, 'words', 0, 0), ('m', 's', 'ffn', 'template', 0, 1, 1, 'shuffled', 4, 0, 'words', 1, 1),
('m', 's', 'ffn', 'template', 0, 2, 1, 'own', 1, 1, 'words', 0.5, 1), ('m', 's', 'ffn', 'template', 0, 2, 1, 'own', 3, 0, 'words', 0.5, 1),
('m', 's', 'ffn', 'template', 0, 2, 1, 'own', 4, 0, 'words', 0.25, 0);

-- of 1, of four pairs of a top and another sentence three are in order; control: two tie, two are the wrong way round
select neuron, source, judge, n_top, n_others, auroc, balanced_accuracy, control_auroc, control_balanced_accuracy, published_score from neuron_explanations order by neuron;
values
(1, 'template', 'words', 2, 2, 0.75, 0.75, 0.25, 0.25, null),
(2, 'template', 'words', 1, 2, 0.75, 0.75, null, null, null),
(3, 'openai', null, null, null, null, null, null, null, 0.25);

select neuron, explanation from explained_neurons('king') order by neuron;
values (1, 'Sentences with "King" or "queen".'), (3, 'kings and cats');

select neuron from explained_neurons(' CAT  sentences') order by neuron;
values (2);
