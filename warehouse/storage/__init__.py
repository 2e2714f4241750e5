"""Files, Delta tables, runs and what a run keeps to go on from."""
