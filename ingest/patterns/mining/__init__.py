"""Mining kernels: trees read and cleaned, frequent (skip) n-grams and subtrees, statistics of patterns."""
