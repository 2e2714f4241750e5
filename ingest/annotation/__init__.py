"""From sentences to words, tags and trees."""
