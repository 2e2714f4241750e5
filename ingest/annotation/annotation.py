"""What an annotator finds in a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """What was found for one sentence; `tags` go with `words`. `tree` is null where none was looked for or found."""

    words: list[str]
    tags: list[str]
    tree: str | None = None
