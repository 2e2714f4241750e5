-- The complementary error function at x, times exp(x^2), where t = 1 / (1 + x / 2): the fit of Press et al. 1992
-- ("Numerical Recipes", erfcc), of a relative error of at most 1.2e-7.
-- grain: scalar
-- argument t: above 0, at most 1
create macro erfc_fit(t) as
t * exp(-1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (
    0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
