-- One cell's part of a log-likelihood ratio: observed x ln(observed / expected), 0 for an empty cell.
-- grain: scalar
-- argument observed: count of the cell
-- argument row_total: count of its row
-- argument column_total: count of its column
-- argument n: count of all cells
create macro observed_term(observed, row_total, column_total, n) as
case
    when observed > 0 then observed * ln(observed::double * n / (row_total::double * column_total)) else 0
end;
