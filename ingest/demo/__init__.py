"""A warehouse from what is on the machine, and what is found in it."""
