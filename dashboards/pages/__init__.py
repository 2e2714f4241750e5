"""The pages: pick, query, draw."""
