-- Of 4 pairs the correlation of independent values is uniform from -1 to 1; of 3, t has one degree of freedom, and
-- p = 1 - 2 / pi * atan(t), where r = 1 / 2 makes t = tan(pi / 6).
select correlation_p(0.3, 4), correlation_p(-0.3, 4), correlation_p(0.5, 3), correlation_p(1, 9), correlation_p(0.3, 2);
values (0.7, 0.7, 2 / 3, 0, null);

-- One order and its reverse of 3!, 4! and 8! have a correlation of 1 or -1; of 3 pairs two others reach 1/2, and all 0.
-- Of 4 ranks of which three tie the one apart is at an end in 2 of 4 places.
select
    rank_correlation_p(1, [1, 2, 3], [1, 2, 3]), rank_correlation_p(-0.5, [1, 2, 3], [1, 2, 3]),
    rank_correlation_p(-1, [1, 2, 3, 4], [1, 2, 3, 4]), rank_correlation_p(1, range(1, 9), range(1, 9)),
    rank_correlation_p(sqrt(0.6), [1, 2, 3, 4], [2, 2, 2, 4]), rank_correlation_p(1, [1, 2], [1, 2]);
values (2 / 6, 1, 2 / 24, 2 / 40320, 1 / 2, null);
select list_sort(rank_orders()[3]), len(rank_orders()[7]), rank_tails()[3004], rank_tails()[3002];
values ([[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]], 5040, 1 / 3, 1);

select observed_term(3, 10, 20, 100), observed_term(0, 10, 20, 100), observed_term(2, 10, 20, 100);
values (3 * ln(1.5), 0, 0);

-- 3 of 10 against 17 of 90: expected are 2, 8, 18 and 72; the second is as frequent inside as outside
select log_likelihood_ratio(3, 10, 20, 100), log_likelihood_ratio(1, 10, 10, 100);
values (2 * (3 * ln(3 / 2) + 7 * ln(7 / 8) + 17 * ln(17 / 18) + 73 * ln(73 / 72)), 0);

-- p = 1/2: [a] and [a]; [a, b] and [c, d]; [a, b] and [b, a], which agree from depth 2 on: 1/4 + (0 + 1/4)
select
    rank_biased_overlap(1, 1, 0.5, 0, 0.5),
    rank_biased_overlap(0, 2, 0.5, 0, 0.625),
    rank_biased_overlap(2, 2, 0.5, 1, 0.625),
    rank_biased_overlap(2, 2, 1, 1, 1.5),
    rank_biased_overlap(2, 2, 0, 0, 0);
values (1, 0, 0.5, null, null);

from neuron_overlap_weights(3, 0.5) order by all;
values (1, 0, 1 / 2), (2, 1 / 2, 5 / 8), (3, 5 / 8, 2 / 3);

-- 3 in 10: scipy.stats.binomtest(3, 10).proportion_ci(method="wilson"); none in 10: z^2 / (10 + z^2); of nothing
select
    wilson_bound(3, 10, -1.959963984540054), wilson_bound(3, 10, 1.959963984540054), wilson_bound(0, 10, -2),
    wilson_bound(0, 10, 2), wilson_bound(0, 0, 2);
values (0.10779126740630102, 0.6032218525388546, 0, 4 / 14, null);

-- where the bound is z of its own standard errors from the area: scipy.optimize.brentq; with one sentence on each side
-- the variance is A(1 - A), as of one draw, and A = 1 / 2 - sqrt(A(1 - A))
select
    auroc_bound(0.774, 73, 927, -1.96), auroc_bound(0.774, 73, 927, 1.96), auroc_bound(1, 5, 995, -1.96),
    auroc_bound(1, 5, 995, 1.96), auroc_bound(0.5, 1, 1, -1), auroc_bound(null, 5, 5, 1.96);
values (0.7130351733945904, 0.8238131264000172, 0.8098825247825997, 1, (1 - sqrt(0.5)) / 2, null);

-- quantiles of chi-square with one degree of freedom
select round(g2_p(3.841458820694124), 7), round(g2_p(10.827566170662733), 7), g2_p(0), g2_p(null), g2_p(40) > 0;
values (0.05, 0.001, 1, null, true);
-- of x = 2 and x = 10: scipy.special.erfcx
select round(erfc_fit(1 / 2), 7), round(erfc_fit(1 / 6), 7);
values (0.2553957, 0.0561410);
