-- A 95 % interval of a mean from resamples of it: their spread and skewness, by Hall's transformation (Hall 1992, "On
-- the removal of skewness by transformation", JRSS B 54), with Student's t (by its expansion in 1 / (n - 1), Abramowitz
-- and Stegun 26.7.5) and sqrt(n / (n - 1)) for what the spread lacks for few values. Percentiles of the resamples, and
-- BCa, hold the mean of skewed values too seldom. The list [low, high]; null for fewer than 4 values.
-- grain: scalar
-- argument means: those of the resamples (macro bootstrap_means)
-- argument estimate: the mean itself
-- argument n: number of values; of a difference of two means, of the shorter list
create macro bootstrap_interval(means, estimate, n) as
case
    when n >= 4
        then list_transform([means], lambda drawn: list_transform( -- what is drawn is named, or drawn at each mention
            [list_aggregate(drawn, 'stddev_pop')],
            lambda spread: list_transform(
                [list_avg(list_transform(drawn, lambda each: pow((each - estimate) / nullif(spread, 0), 3)))],
                lambda skewness: list_transform(
                    [1, -1],
                    lambda side: estimate - spread * sqrt(n / (n - 1)) * without_skewness(
                        side * 1.959964 * (
                            1 + (1.210365 + (1.440076 + (1.304056 + 0.811 / (n - 1)) / (n - 1)) / (n - 1)) / (n - 1)
                        ),
                        skewness
                    )
                )
            )[1]
        )[1])[1]
end;
