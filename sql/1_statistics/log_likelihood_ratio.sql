-- Dunning's log-likelihood ratio G2 of a 2 x 2 table: sentences of the top-K against the other sentences,
-- with against without a pattern (Dunning 1993, "Accurate Methods for the Statistics of Surprise and Coincidence").
-- grain: scalar
-- argument support: sentences of the top-K with the pattern
-- argument k: sentences of the top-K
-- argument corpus_support: sentences of the corpus with the pattern, the top-K included
-- argument n: sentences of the corpus, the top-K included
create macro log_likelihood_ratio(support, k, corpus_support, n) as
greatest(0, 2 * (
    observed_term(support, k, corpus_support, n)
    + observed_term(k - support, k, n - corpus_support, n)
    + observed_term(corpus_support - support, n - k, corpus_support, n)
    + observed_term(n - k - corpus_support + support, n - k, n - corpus_support, n)
));
