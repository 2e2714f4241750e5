-- A 95 % interval of a mean from resamples of it: their percentiles, stretched about the mean by what percentiles lack
-- for few values: sqrt(n / (n - 1)) for the spread and Student's t over the normal quantile (Hesterberg 2015, "What
-- Teachers Should Know About the Bootstrap", section 5.3; t by its expansion in 1 / (n - 1), Abramowitz and Stegun
-- 26.7.5). The list [low, high]; null for fewer than 4 values.
-- grain: scalar
-- argument means: those of the resamples (macro bootstrap_means)
-- argument estimate: the mean itself
-- argument n: number of values; of a difference of two means, of the shorter list
create macro bootstrap_interval(means, estimate, n) as
case
    when n >= 4
        then list_transform(
            list_aggregate(means, 'quantile_cont', [0.025, 0.975]),
            lambda bound: estimate + (bound - estimate) * sqrt(n / (n - 1)) * (
                1 + (1.210365 + (1.440076 + (1.304056 + 0.811 / (n - 1)) / (n - 1)) / (n - 1)) / (n - 1)
            )
        )
end;
