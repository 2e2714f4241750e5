-- How many sentences that counted for a model have each word, by its class.
-- grain: class x word, per model, checkpoint, corpus and annotator
-- columns: model, checkpoint, corpus, annotator, class, word, corpus_support, n_sentences
-- n_tested: words of the class in the corpus, each of which is compared with every neuron's sentences
create view corpus_words as
-- every site's profiles have the same words
select
    model,
    checkpoint,
    corpus,
    annotator,
    class,
    word,
    max(corpus_support) as corpus_support,
    max(n_sentences) as n_sentences,
    max(n_tested) as n_tested
from corpus_vocabulary
group by model, checkpoint, corpus, annotator, class, word;
