"""Relations and the files of sql/ as DuckDB views, and their dictionary."""
