"""Knowledge neurons: what feed-forward neurons contribute to an answer, and what changing them does."""
