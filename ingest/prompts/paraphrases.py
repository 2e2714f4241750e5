"""Paraphrases of questions, for concepts that too few questions ask for.

One fifth of a question's words give way to words of like meaning (Ariyama 2024, section 4.1.2): through TextAttack
where it is installed, else from WordNet's synonyms; both need WordNet's data.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

SHARE = 0.2  # of the words
_TRIES = 20  # draws for each paraphrase wanted, before a question's own words count as exhausted
_WORD = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)  # what stands before it, the word, what follows; fits any text

Paraphrase = Callable[[str, int], list[str]]
"""From a question and a number to at most that many paraphrases of it, all different."""


@dataclass(frozen=True)
class Paraphraser:
    """What makes paraphrases: `name` is stored in the run's settings."""

    name: str
    paraphrase: Paraphrase


def paraphraser(seed: int = 0) -> Paraphraser | None:
    """Return TextAttack where it is installed, else WordNet alone, null where WordNet's data are not installed.

    The same seed gives the same words.
    """
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    try:
        return Paraphraser("textattack", _textattack(seed))
    except Exception:  # it fetches data and has old dependencies: anything can go wrong on the way
        return Paraphraser("wordnet", lambda question, n: wordnet_paraphrases(question, n, seed))


def wordnet_paraphrases(question: str, n: int, seed: int = 0) -> list[str]:
    """Return at most `n` paraphrases: one fifth of the words, at least one, each a synonym; none where none has one.

    All is drawn with a generator seeded by the seed and the question: a question's paraphrases do not depend on other
    questions. Raises LookupError without WordNet's data.
    """
    chance = random.Random(f"{seed}:{question}")
    parts = [_WORD.fullmatch(word).groups() for word in question.split()]  # type: ignore[union-attr]
    replaceable = [i for i, (_, word, _) in enumerate(parts) if _synonyms(word.lower())]
    n_words = min(len(replaceable), max(1, round(SHARE * len(parts))))
    found: dict[str, None] = {}
    for _ in range(_TRIES * n if replaceable else 0):
        words = ["".join(part) for part in parts]
        for i in chance.sample(replaceable, n_words):
            before, word, after = parts[i]
            others = _synonyms(word.lower())
            (new,) = chance.choices(list(others), list(others.values()))
            words[i] = before + (new[0].upper() + new[1:] if word[0].isupper() else new) + after
        found[" ".join(words)] = None
        if len(found) == n:
            break
    return list(found)


@cache
def _synonyms(word: str) -> dict[str, int]:
    """Return the words that share a meaning with a word -> how common the meaning is; none for function words.

    None for inflected forms either: WordNet has the base forms, which would change number and tense (and `sang` is a
    plant there, too).
    """
    from nltk.corpus import wordnet
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found: dict[str, int] = {}
    for synset in wordnet.synsets(word) if word not in ENGLISH_STOP_WORDS else ():
        own = [lemma for lemma in synset.lemmas() if lemma.name().lower() == word]
        if not own:
            return {}
        others = [lemma.name().replace("_", " ") for lemma in synset.lemmas() if lemma.name().islower()]
        for other in others:
            found[other] = found.get(other, 0) + 1 + own[0].count()
    found.pop(word, None)
    return found


def _textattack(seed: int) -> Paraphrase:
    from textattack.augmentation import WordNetAugmenter

    def paraphrase(question: str, n: int) -> list[str]:
        augmenter = WordNetAugmenter(pct_words_to_swap=SHARE, transformations_per_example=n)
        before = random.getstate()
        random.seed(f"{seed}:{question}")  # TextAttack draws from the module's own generator
        try:
            found: list[str] = augmenter.augment(question)
        finally:
            random.setstate(before)
        return [text for text in dict.fromkeys(found) if text != question][:n]

    return paraphrase
