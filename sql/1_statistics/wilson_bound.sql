-- Wilson's score interval of a share (Wilson 1927): its upper bound for z above 0, its lower one below. Null where
-- nothing was counted.
-- grain: scalar
-- argument successes: how many have it
-- argument trials: of how many
-- argument z: quantile of the normal distribution: 1.96 and -1.96 for a confidence of 95 %
create macro wilson_bound(successes, trials, z) as
case
    when trials > 0
        then least(1, greatest(0, (
            successes + z * z / 2 + z * sqrt(successes * (trials - successes) / trials::double + z * z / 4)
        ) / (trials + z * z)))
end;
