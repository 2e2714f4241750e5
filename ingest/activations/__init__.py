"""From sentences to what neurons did: top-K, statistics, samples."""
