-- Two-sided p-value of a rank correlation: of all orders of one side's ranks, the share whose correlation is at least
-- as far from 0. Exact for up to 7 pairs, ties included; for more Student's t (macro correlation_p), but no less than 2
-- in n!, which one order and its reverse have. Far out t is too small: 8 pairs with r = 0.976 have 3.3e-5 for 4.0e-4.
-- Null for fewer than 3 pairs or where r is null.
-- grain: scalar
-- argument r: Spearman's correlation
-- argument x: ranks of one side in ascending order, ties with their mean rank; counted from anywhere
-- argument y: ranks of the other in ascending order
create macro rank_correlation_p(r, x, y) as
case
    when r is null or len(x) < 3 then null
    when len(x) > 7 then greatest(correlation_p(r, len(x)), 2 / gamma(len(x) + 1))
    when list_unique(x) = len(x) and list_unique(y) = len(y)
        then rank_tails()[(1000 * len(x) + abs(r) * (len(x) ** 3 - len(x)) / 6)::integer]
    else list_avg(list_transform(
        rank_orders()[len(x)],
        lambda places: (
            abs(list_inner_product(x::double[], list_select(y, places)::double[]) - len(x) * list_avg(x) * list_avg(y))
            >= abs(r) * len(x) * list_aggregate(x, 'stddev_pop') * list_aggregate(y, 'stddev_pop')
            - 0.1  -- of sums that differ by 1 / 4
        )::integer
    ))
end;
