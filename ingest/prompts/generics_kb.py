"""Prompts from Generics KB: lines of term, sentence and score, or of the columns that a header names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from nwh.ingest.prompts.prompt import MASK, Prompt, Reading, bad_prompt
from nwh.ingest.text.formats.lines import File
from nwh.ingest.text.sources import FORMATS as TEXT_FORMATS

_SHORTEST = 3  # letters of a term that is taken for the beginning of an inflected word
_WORD = re.compile(r"\w+(?:[-']\w+)*")
_NAMES = (
    ("term", "topic", "concept", "concept name"),
    ("generic sentence", "sentence", "generic", "text"),
    ("score", "confidence", "bert score"),
)
"""Of the columns with the term, the sentence and its score in a header; the authors' own first."""
_QUOTED = re.compile('"(?:[^"]|"")*"')


def generics_kb(file: File, reading: Reading, left_out: Counter[str]) -> Iterator[Prompt]:
    """Yield a prompt for each word of a sentence that is a concept; count in `left_out` what makes none."""
    rows = list(_terms_and_sentences(file))
    terms = frozenset(term for term, _ in rows if _WORD.fullmatch(term) and term == term.lower())
    for ordinal, (term, sentence) in enumerate(rows):
        if reading.match == "sentence":
            words = [(word, _concept(word[0], terms, reading.inflections)) for word in _WORD.finditer(sentence)]
        elif _WORD.fullmatch(term):
            # A sentence begins with a capital, and most sentences begin with their term.
            own = {term.lower()}
            words = [(word, _concept(word[0].lower(), own, reading.inflections)) for word in _WORD.finditer(sentence)]
        else:
            left_out["lines have a term of several words"] += 1
            continue
        occurrences = Counter(concept for _, concept in words if concept)
        if not occurrences and reading.match == "term":
            left_out["lines do not hold their term as a word (--inflections takes words that begin with it)"] += 1
        for word, concept in words:
            if concept is None:
                continue
            if occurrences[concept] > 1:
                left_out["words stand in their sentence twice: the prompt would hold its answer"] += 1
                continue
            start, end = word.start(), word.start() + len(concept)
            text = f"{sentence[:start]}{MASK}{sentence[end:]}"
            yield Prompt("mlm", concept, text, sentence[start:end], f"{ordinal}/{concept}")


def _terms_and_sentences(file: File) -> Iterator[tuple[str, str]]:
    """Yield (term, sentence) of each line, the columns being those of the header, if the first line is one."""
    expected, places, width = "term, sentence and score (a number) are expected", None, 3
    for where, row in TEXT_FORMATS["lines"].rows(file, []):
        if not row["text"].strip():
            continue
        columns = [_unquoted(column) for column in row["text"].split("\t")]
        if places is None:
            places = _places(columns)
            if places:
                expected = f"the header has {len(columns)}, the score a number"
                width = len(columns)
                continue
            places = (0, 1, 2)
        term, sentence, score = places
        if len(columns) != width or not _is_number(columns[score]):
            raise bad_prompt(file, where, f"{len(columns)} columns where {expected}")
        yield " ".join(columns[term].split()), " ".join(columns[sentence].split())


def _places(columns: list[str]) -> tuple[int, int, int] | None:
    """Return where a header has term, sentence and score; null for a line that is no header."""
    names = [re.sub(r"[\W_]+", " ", column).strip().lower() for column in columns]
    found = [next((names.index(name) for name in known if name in names), None) for known in _NAMES]
    term, sentence, score = found
    return None if term is None or sentence is None or score is None else (term, sentence, score)


def _unquoted(column: str) -> str:
    """Return a column as it was before a CSV writer put it in quotation marks."""
    return column[1:-1].replace('""', '"') if _QUOTED.fullmatch(column) else column


def _concept(word: str, terms: frozenset[str] | set[str], inflections: bool) -> str | None:
    """Return the term that a word is, or (with inflections) the longest one that it begins with."""
    if word in terms:
        return word
    shorter = range(len(word) - 1, _SHORTEST - 1, -1) if inflections else ()
    return next((word[:n] for n in shorter if word[:n] in terms), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
