-- Newcombe's score interval of an AUROC (method 5 of Newcombe 2006, "Confidence intervals for an effect size measure
-- based on the Mann-Whitney statistic, part 2", over the variance of Hanley and McNeil 1982): its upper bound for z
-- above 0, its lower one below. As if sentences were independent of one another. With u = bound (1 - bound) it is a
-- root of (auroc - bound)^2 (2 + u) = z^2 u (2 + u + c (1 + 2 u)) / (n_with n_without), where c is
-- (n_with + n_without) / 2 - 1: by Newton's method from Wilson's bound of so many sentences that it is near, to 1e-12.
-- (sqlfluff does not know the lambda.)
-- grain: scalar
-- argument auroc: the area; null gives null
-- argument n_with: sentences with it
-- argument n_without: sentences without
-- argument z: quantile of the normal distribution: 1.96 and -1.96 for a confidence of 95 %

-- noqa: disable=PRS
create macro auroc_bound(auroc, n_with, n_without, z) as
list_reduce(
    -- the first is where Newton's method begins; of the others only the number counts
    [wilson_bound(
        auroc * n_with::double * n_without / (0.4 + 0.3 * (n_with + n_without)),
        n_with::double * n_without / (0.4 + 0.3 * (n_with + n_without)),
        z
    ), 1, 2, 3, 4],
    lambda bound, step: bound - (
        (auroc - bound) ** 2 * (2 + bound * (1 - bound))
        - z ** 2 / (n_with::double * n_without) * bound * (1 - bound) * (
            2 + bound * (1 - bound) + ((n_with + n_without) / 2 - 1) * (1 + 2 * bound * (1 - bound))
        )
    ) / (
        (auroc - bound) ** 2 * (1 - 2 * bound) - 2 * (auroc - bound) * (2 + bound * (1 - bound))
        - z ** 2 / (n_with::double * n_without) * (1 - 2 * bound) * (
            2 + 2 * bound * (1 - bound) + ((n_with + n_without) / 2 - 1) * (1 + 4 * bound * (1 - bound))
        )
    )
);
