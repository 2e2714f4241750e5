-- Two-sided p-value of the counts that a log-likelihood ratio is of: chi-square with one degree of freedom, Fisher's
-- exact where a cell of the table has an expected count below 1, since chi-square is then several times too small.
-- grain: scalar
-- support: sentences of the top-K with the pattern
-- k: sentences of the top-K
-- corpus_support: sentences of the corpus with the pattern, the top-K included
-- n: sentences of the corpus, the top-K included
-- g2: their log-likelihood ratio
create macro counts_p(support, k, corpus_support, n, g2) as
case
    when least(k, n - k)::double * least(corpus_support, n - corpus_support) >= n then chi_square_p(g2)
    when 2 * k <= n and 2 * corpus_support <= n then fisher_p(support, k, corpus_support, n)
    when 2 * k <= n then fisher_p(k - support, k, n - corpus_support, n)
    when 2 * corpus_support <= n then fisher_p(corpus_support - support, n - k, corpus_support, n)
    else fisher_p(n - k - corpus_support + support, n - k, n - corpus_support, n)
end;
