"""From top sentences to the words, tags and subtrees that they share."""
