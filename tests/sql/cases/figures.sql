insert into neuron_stats (
    model, checkpoint, site, corpus, layer, neuron, mean, std, skewness, kurtosis, share_positive
) values ('m', 's', 'ffn', 'a', 0, 0, 0.5, 2, -1, 3, 0.25);
-- the same figure in two layers of three neurons
insert into neuron_profiles (model, checkpoint, site, corpus, layer, neuron, pole, mean_tokens, mean_words) values
('m', 's', 'ffn', 'a', 0, 0, 'top', 1, 9), ('m', 's', 'ffn', 'a', 0, 1, 'top', 2, 9), ('m', 's', 'ffn', 'a', 0, 2, 'top', 3, 9),
('m', 's', 'ffn', 'a', 1, 0, 'top', 10, 9), ('m', 's', 'ffn', 'a', 1, 1, 'top', 20, 9), ('m', 's', 'ffn', 'a', 1, 2, 'top', 30, 9),
('m', 's', 'ffn', 'a', 0, 0, 'bottom', 7, 7);
insert into neuron_metadata (model, checkpoint, site, corpus, layer, neuron, pole, key, value, share) values
('m', 's', 'ffn', 'a', 0, 0, 'top', 'topic', 'news', 0.75), ('m', 's', 'ffn', 'a', 0, 0, 'bottom', 'topic', 'news', 0.5);
-- 3 nouns in 2 sentences; annotator `second` is not the first by name, but the only one of model n
insert into neuron_tag_distribution (
    model, checkpoint, site, corpus, annotator, layer, neuron, pole, tag, class, k, words
) values
('m', 's', 'ffn', 'a', 'first', 0, 0, 'top', 'NN', 'noun', 2, 2), ('m', 's', 'ffn', 'a', 'first', 0, 0, 'top', 'NNS', 'noun', 2, 1),
('m', 's', 'ffn', 'a', 'second', 0, 0, 'top', 'NN', 'noun', 2, 9), ('m', 's', 'ffn', 'a', 'first', 0, 0, 'bottom', 'NN', 'noun', 2, 8),
('n', 's', 'ffn', 'a', 'second', 0, 7, 'top', 'NN', 'noun', 2, 1);

select figure, value from neuron_figures where layer = 0 and neuron = 0 order by figure;
values
('kurtosis', 3), ('mean', 0.5), ('mean_tokens', 1), ('mean_words', 9), ('nouns', 1.5), ('share:topic=news', 0.75),
('share_positive', 0.25), ('skewness', -1), ('std', 2);

from neuron_figures_of('nouns') order by model;
values ('m', 's', 'ffn', 'a', 0, 0, 'nouns', 1.5), ('n', 's', 'ffn', 'a', 0, 7, 'nouns', 0.5);
from neuron_figures_of('share:topic=news');
values ('m', 's', 'ffn', 'a', 0, 0, 'share:topic=news', 0.75);
select count(*) from neuron_figures_of('share:topic=law');
values (0);

-- 1, 2, 3 against 2, 3, 1 and against 3, 1, 2: both shifts correlate with -1/2
from dimension_consistency;
values ('m', 's', 'ffn', 'a', 0, 1, 3, 1, -0.5, 0, 1 / 3);

-- a figure that is the same everywhere
select n_neurons, correlation, baseline, p_value from dimension_consistency_of('mean_words');
values (3, null, null, null);
