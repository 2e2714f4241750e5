"""What an annotator finds in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Annotation:
    """What was found for one sentence; `tags` go with `words`. `tree` is null where none was looked for or found."""

    words: list[str]
    tags: list[str]
    tree: str | None = None


class Annotate(Protocol):
    """An annotator at work; made once per process, closed at the end."""

    def __call__(self, texts: list[str]) -> list[Annotation]:
        """Return the annotation of each sentence."""

    def close(self) -> None:
        """Give back what it holds."""
