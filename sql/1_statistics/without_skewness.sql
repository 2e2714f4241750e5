-- Where a standardised mean of skewed values stands that stands at t by a symmetric law: the inverse of Hall's monotone
-- cubic (Hall 1992, JRSS B 54, equation 2.2).
-- grain: scalar
-- argument t: quantile of the symmetric law
-- argument skewness: of the mean, which is that of the values over the root of their number
create macro without_skewness(t, skewness) as
case
    when abs(skewness) > 1e-6 then 3 / skewness * (cbrt(1 + skewness * (t - skewness / 6)) - 1)
    else t
end;
