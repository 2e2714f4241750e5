-- Complementary error function of z >= 0 to a relative error of 1.2e-7 (Press et al., "Numerical Recipes in C",
-- 2nd edition, section 6.2, erfcc).
-- grain: scalar
-- z: argument, at least 0
-- t: 1 / (1 + z / 2)
create macro erfc_series(z, t) as
t * exp(
    -z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (
        0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))
    )))))
);
