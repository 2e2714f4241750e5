"""Paraphrases of questions, for concepts that too few questions ask for.

One fifth of a question's words give way to words of like meaning (Ariyama 2024, section 4.1.2): through TextAttack
with WordNet where both are installed, else from the groups of `ingest.synonyms`. Questions with too few such words
get a lead-in too: `tell me who …`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from nwh.ingest.prompts.synonyms import GROUPS

SHARE = 0.2  # of the words
LEAD_INS = ("tell me", "please say", "i wonder", "let us see", "can you say", "the question is")
_TRIES = 20  # draws for each paraphrase wanted, before a question's own words count as exhausted
_WORD = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)

Paraphrase = Callable[[str, int], list[str]]
"""From a question and a number to at most that many paraphrases of it, all different."""


@dataclass(frozen=True)
class Paraphraser:
    """What makes paraphrases: `name` is stored in the run's settings, `note` tells the user which it is."""

    name: str
    note: str
    paraphrase: Paraphrase


def paraphraser(seed: int = 0) -> Paraphraser:
    """Return TextAttack where it and WordNet are installed, else our own; the same seed gives the same words."""
    try:
        return Paraphraser("textattack", "paraphrases are made by TextAttack with WordNet synonyms", _textattack(seed))
    except ImportError:
        why = "TextAttack is not installed"
    except Exception as error:  # it fetches data and has old dependencies: anything can go wrong on the way
        why = f"TextAttack cannot be used ({(str(error).strip() or type(error).__name__).splitlines()[0]})"
    return Paraphraser(
        "synonyms",
        f"{why}: paraphrases are made with nwh's own list of synonyms",
        lambda question, n: synonym_paraphrases(question, n, seed),
    )


def synonym_paraphrases(question: str, n: int, seed: int = 0) -> list[str]:
    """Return at most `n` paraphrases: one fifth of the words, at least one, each another word of its group.

    Where its words do not give `n` different ones, the rest begin with one of LEAD_INS, so that any question has
    paraphrases. All is drawn with a generator seeded by the seed and the question: a question's paraphrases do
    not depend on other questions.
    """
    chance = random.Random(f"{seed}:{question}")
    own = dict.fromkeys(_varied(question, n, chance))
    lead_ins = chance.sample(LEAD_INS, len(LEAD_INS))
    led = (f"{lead_in} {text}" for text in [question, *own] for lead_in in lead_ins)
    return [*own, *led][:n]


def _varied(question: str, n: int, chance: random.Random) -> Iterator[str]:
    """Yield different texts, at most `n`, with one fifth of the words replaced; none where none has synonyms."""
    groups = _groups()
    parts = [_split(word) for word in question.split()]
    replaceable = [i for i, (_, word, _) in enumerate(parts) if word.lower() in groups]
    n_words = min(len(replaceable), max(1, round(SHARE * len(parts))))
    seen = set()
    for _ in range(_TRIES * n if replaceable else 0):
        words = ["".join(part) for part in parts]
        for i in chance.sample(replaceable, n_words):
            before, word, after = parts[i]
            words[i] = before + _cased(chance.choice(groups[word.lower()]), word) + after
        if (text := " ".join(words)) not in seen:
            seen.add(text)
            yield text
        if len(seen) == n:
            return


@cache
def _groups() -> dict[str, list[str]]:
    """Return word -> words that can stand for it, from every group it is in."""
    others: dict[str, list[str]] = {}
    for line in GROUPS.strip().splitlines():
        members = [member.strip() for member in line.split(",")]
        for word in members:
            if " " not in word:
                others.setdefault(word, []).extend(member for member in members if member != word)
    return others


def _split(word: str) -> tuple[str, str, str]:
    """Return what stands before a word, the word, and what follows: `(`, `film`, `)?`."""
    found = _WORD.fullmatch(word)
    assert found is not None
    return found[1], found[2], found[3]


def _cased(new: str, old: str) -> str:
    return new[0].upper() + new[1:] if old[0].isupper() else new


def _textattack(seed: int) -> Paraphrase:
    from textattack.augmentation import WordNetAugmenter  # isort: skip  (without it the rest need not be imported)
    from nltk.corpus import wordnet

    wordnet.ensure_loaded()  # LookupError without its data

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
