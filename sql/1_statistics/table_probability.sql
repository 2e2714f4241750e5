-- Probability of a 2 x 2 table, its margins given: the hypergeometric distribution.
-- grain: scalar
-- cell: count of the first cell
-- row_total: count of its row
-- column_total: count of its column
-- n: count of all cells
create macro table_probability(cell, row_total, column_total, n) as
exp(
    lgamma(row_total + 1.0) - lgamma(cell + 1.0) - lgamma(row_total - cell + 1.0)
    + lgamma(n - row_total + 1.0) - lgamma(column_total - cell + 1.0)
    - lgamma(n - row_total - column_total + cell + 1.0)
    + lgamma(column_total + 1.0) + lgamma(n - column_total + 1.0) - lgamma(n + 1.0)
);
