-- Fisher's exact p of a 2 x 2 table with an expected count below 1: the probability of all tables of the same margins
-- that are no likelier. The likeliest has 0 or 1 in the cell, so these are the tables with at least as much in it, or,
-- where 1 is likeliest and the cell is empty, all others. Each further table is at least 2, 3, 4 … times less likely
-- than the one before; after ten they add nothing.
-- grain: scalar
-- cell: count of the cell of the smaller row and the smaller column
-- row_total: count of its row
-- column_total: count of its column
-- n: count of all cells
create macro fisher_p(cell, row_total, column_total, n) as
case
    when cell = 0 and next_table(0, row_total, column_total, n) > 1
        then 1 - table_probability(1, row_total, column_total, n)
    when cell = 0 or (cell = 1 and next_table(0, row_total, column_total, n) >= 1) then 1
    else least(1, table_probability(cell, row_total, column_total, n) * (
        1 + next_table(cell, row_total, column_total, n) * (
        1 + next_table(cell + 1, row_total, column_total, n) * (
        1 + next_table(cell + 2, row_total, column_total, n) * (
        1 + next_table(cell + 3, row_total, column_total, n) * (
        1 + next_table(cell + 4, row_total, column_total, n) * (
        1 + next_table(cell + 5, row_total, column_total, n) * (
        1 + next_table(cell + 6, row_total, column_total, n) * (
        1 + next_table(cell + 7, row_total, column_total, n) * (
        1 + next_table(cell + 8, row_total, column_total, n) * (
        1 + next_table(cell + 9, row_total, column_total, n)
        )))))))))
    ))
end;
