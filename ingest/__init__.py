"""Jobs: each reads relations, runs models or mining, and writes relations."""
