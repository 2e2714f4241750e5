"""Made-up bracketed trees over the words of the tiny model, for tests of annotations and patterns."""

from __future__ import annotations

from pathlib import Path
from random import Random

NOUNS, VERBS, ADJECTIVES = ["cat", "dog", "bird", "king"], ["sees", "finds", "loves"], ["red", "old", "quick"]


def made_up_tree(random: Random) -> str:
    """Return a small sentence: noun phrases with 0 to 2 adjectives, a verb, 0 to 2 prepositional phrases."""

    def noun_phrase() -> str:
        adjectives = "".join(f" (JJ {random.choice(ADJECTIVES)})" for _ in range(random.choice([0, 0, 1, 2])))
        return f"(NP (DT {random.choice(['the', 'a'])}){adjectives} (NN {random.choice(NOUNS)}))"

    after = "".join(
        f" (PP (IN {random.choice(['of', 'with'])}) {noun_phrase()})" for _ in range(random.choice([0, 1, 2]))
    )
    verb = f"(VP (VBZ {random.choice(VERBS)}) {noun_phrase()}{after})"
    return f"( (S (NP-SBJ-1 {noun_phrase()}) {verb} (. .)) )"


def write_trees(path: Path, n: int = 200, seed: int = 0) -> Path:
    """Write n made-up trees, one per line."""
    random = Random(seed)
    path.write_text("".join(made_up_tree(random) + "\n" for _ in range(n)))
    return path
