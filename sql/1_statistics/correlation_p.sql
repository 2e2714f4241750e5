-- Two-sided p-value of a correlation over n pairs: Student's t with n - 2 degrees of freedom, t = r sqrt((n - 2) /
-- (1 - r^2)). With r = cos(w) its tail is the integral of sin(x)^(n - 3) from 0 to w, over half the beta function of
-- 1/2 and n / 2 - 1; here by the double exponential rule (Takahasi and Mori 1974) with steps of 1/32, to a relative
-- error of 1e-9 up to a million pairs. Null for fewer than 3 pairs or where r is null.
-- grain: scalar
-- argument r: correlation coefficient, from -1 to 1
-- argument n: number of pairs
create macro correlation_p(r, n) as
case
    when n >= 3 and r is not null
        then least(1, 2 * exp(lgamma((n - 1) / 2) - lgamma(n / 2 - 1)) / sqrt(pi()) * acos(least(1, abs(r))) * list_sum(
            [
                pi() * cosh(k / 32) / 32
                / (1 + exp(-pi() * sinh(k / 32))) / (1 + exp(pi() * sinh(k / 32)))
                * pow(sin(acos(least(1, abs(r))) / (1 + exp(-pi() * sinh(k / 32)))), n - 3)
                for k in range(-128, 129)
            ]
        ))
end;
