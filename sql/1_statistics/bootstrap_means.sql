-- Means of 1,000 bootstrap resamples of a list: as many values as it has, drawn with replacement (Efron 1979).
-- grain: scalar
-- argument x: values, no nulls, in an order that does not change: `list(value order by name)`
-- argument seed: a whole number from 0 to 999; lists with the same seed and length have the same draws
create macro bootstrap_means(x, seed) as
list_transform(range(1000), lambda r: list_avg(list_transform(
    range(len(x)), lambda i: x[1 + ((random_bits((r + 1000 * i + 3141593 * seed) & 4294967295) * len(x)) >> 32)]
)));
