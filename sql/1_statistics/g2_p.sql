-- p-value of a log-likelihood ratio G2 of a 2 x 2 table, which is distributed as chi-square with one degree of freedom:
-- erfc(sqrt(G2 / 2)), to a relative error of 1.2e-7. Null gives null.
-- grain: scalar
-- argument g2: the ratio, 0 or more
create macro g2_p(g2) as
case
    when g2 is not null
        then least(1, exp(-g2 / 2) * erfc_fit(1 / (1 + sqrt(g2 / 2) / 2)))
end;
