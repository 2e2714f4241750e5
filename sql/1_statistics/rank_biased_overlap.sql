-- Rank-biased overlap of two lists of one depth, extrapolated from there on (RBO_ext of Webber et al. 2010, "A
-- similarity measure for indefinite rankings"), its sum over depths taken apart by item that both lists have.
-- grain: scalar
-- argument shared: items that both lists have
-- argument depth: items of each list
-- argument p: persistence, above 0 and below 1; another gives null
-- argument above: sum over the shared items of p^d / d over the depths d at which not both lists have the item yet
-- argument upto: sum of p^d / d over all depths
create macro rank_biased_overlap(shared, depth, p, above, upto) as
case
    when p > 0 and p < 1 then shared / depth * pow(p::double, depth) + (1 - p::double) / p * (shared * upto - above)
end;
