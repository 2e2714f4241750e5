-- Upper tail of the chi-square distribution with one degree of freedom: erfc(sqrt(x / 2)).
-- grain: scalar
-- x: the statistic, at least 0
create macro chi_square_p(x) as
least(1, erfc_series(sqrt(x / 2), 1 / (1 + 0.5 * sqrt(x / 2))));
