-- All orders of few ranks: element n of the list has the n! permutations of 1 to n, for n up to 7.
-- grain: scalar
create macro rank_orders() as
(
    with recursive orders as (
        select [1] as places
        union all
        select orders.places[:spots.spot - 1] || [len(orders.places) + 1] || orders.places[spots.spot:] as places
        from orders
        cross join unnest(range(1, 8)) as spots (spot)
        where len(orders.places) < 7 and spots.spot <= len(orders.places) + 1
    ),

    by_length as (
        select
            len(orders.places) as n,
            list(orders.places) as permutations
        from orders
        group by len(orders.places)
    )

    select list(by_length.permutations order by by_length.n) from by_length
);
