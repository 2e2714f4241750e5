"""The questions: one file per view or macro, read in the order of the folder numbers."""
