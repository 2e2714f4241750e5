-- What a sentence adds to the sums of rank-biased overlap (Webber et al. 2010, "A similarity measure for indefinite
-- rankings"): a sentence that two lists share from depth m on, its lower rank, adds p^d / d at every depth d from m to
-- the last.
-- grain: depth
-- argument depths: the last depth
-- argument p: persistence, above 0 and below 1: weight of the next rank over that of this one
-- depth: from 1
-- above: sum of p^d / d over smaller depths
-- upto: sum of p^d / d over depths up to this one
create macro neuron_overlap_weights(depths, p) as table
with weights as (
    select
        depth,
        pow(p::double, depth) / depth as weight
    from (select unnest(range(1, depths + 1)) as depth) as listed
)

select
    depth,
    coalesce(sum(weight) over (order by depth rows between unbounded preceding and 1 preceding), 0) as above,
    sum(weight) over (order by depth rows between unbounded preceding and current row) as upto
from weights;
