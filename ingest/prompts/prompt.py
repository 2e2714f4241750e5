"""A prompt as a file says it, and how files are read."""

from __future__ import annotations

from dataclasses import dataclass

from nwh.ingest.text.formats.lines import File
from nwh.warehouse.errors import SourceError, UsageError

MASK = "[MASK]"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a file; the values of a row of `prompts`.

    frequency, of the concept, and subject, of the fact: null unless given.
    """

    objective: str
    concept: str
    text: str
    answer: str
    fact_id: str
    frequency: float | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    match: generics-kb; `term`: the sentences of a concept are those its line gives; `sentence`: all sentences
        that hold the concept, a lower-case term, as a word as it stands.
    inflections: generics-kb; also words that begin with the concept (`grammars` becomes `[MASK]s`), which then
        has at least 3 letters. Of several terms that begin a word, the longest.
    multi_word: natural-questions; take answers of several words too.
    """

    match: str = "term"
    inflections: bool = False
    multi_word: bool = False

    def __post_init__(self) -> None:
        if self.match not in ("term", "sentence"):
            raise UsageError(f"--match {self.match!r} is not known: use term or sentence")


def bad_prompt(file: File, where: str, what: str) -> SourceError:
    """Return the error that says what is wrong at a place of a file."""
    return SourceError(f"{file.path}, {where}: {what}")
