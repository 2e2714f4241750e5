-- How much likelier a 2 x 2 table is with one more in its first cell, its margins the same.
-- grain: scalar
-- cell: count of the first cell
-- row_total: count of its row
-- column_total: count of its column
-- n: count of all cells
create macro next_table(cell, row_total, column_total, n) as
(row_total - cell)::double * (column_total - cell) / ((cell + 1) * (n - row_total - column_total + cell + 1));
