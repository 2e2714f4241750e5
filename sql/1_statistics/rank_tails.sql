-- Share of the orders of n ranks without ties, n from 1 to 7, whose correlation is at least as far from 0: the value at
-- 1000 n + |r| (n^3 - n) / 6. With Spearman's r that is |2 s - n (n + 1)^2 / 2|, s the sum of the products of ranks.
-- grain: scalar
create macro rank_tails() as
(
    with orders as (
        select unnest(flatten(rank_orders())) as places
    ),

    spreads as (
        select
            len(places) as n,
            abs(
                2 * list_inner_product(places::double[], range(1, len(places) + 1)::double[])
                - len(places) * pow(len(places) + 1, 2) / 2
            ) as spread
        from orders
    ),

    tails as (
        select
            1000 * n + spread as key,
            sum(count(*)) over (partition by n order by spread desc) / gamma(n + 1) as tail
        from spreads
        group by n, spread
    )

    select map_from_entries(list((key::integer, tail))) from tails
);
