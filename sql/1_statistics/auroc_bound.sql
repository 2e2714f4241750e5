-- Newcombe's score interval of an AUROC (method 5 of Newcombe 2006, "Confidence intervals for an effect size measure
-- based on the Mann-Whitney statistic, part 2", over the variance of Hanley and McNeil 1982): its upper bound for z
-- above 0, its lower one below, by bisection to 1e-7. As if sentences were independent of one another. (sqlfluff does
-- not know the lambda.)
-- grain: scalar
-- argument auroc: the area; null gives null
-- argument n_with: sentences with it
-- argument n_without: sentences without
-- argument z: quantile of the normal distribution: 1.96 and -1.96 for a confidence of 95 %

-- noqa: disable=PRS
create macro auroc_bound(auroc, n_with, n_without, z) as
list_reduce(
    list_concat(
        [case when z > 0 then (1 + auroc) / 2 else auroc / 2 end::double],
        [case when z > 0 then 1 - auroc else auroc end * pow(0.5, i + 1) for i in range(1, 25)]
    ),
    lambda bound, step: bound + step * sign(z) * case
        when
            abs(auroc - bound) > abs(z) * sqrt(
                bound * (1 - bound) / (n_with::double * n_without) * (
                    1 + ((n_with + n_without) / 2 - 1) * ((1 - bound) / (2 - bound) + bound / (1 + bound))
                )
            )
            then -1
        else 1
    end
);
