"""What the user searches for on the search page, as an address and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from nwh.dashboards.html.markup import code_span
from nwh.warehouse.names import split_checkpoint
from nwh.warehouse.queries.search import Filters

MAX_ROWS = 1000
CLASSES = ("token detector", "n-gram detector", "class-selective", "positional", "dead")
POLES = ("top", "bottom")
SITES = ("hidden", "ffn")
_LAYERS = re.compile(r"\s*([0-9]{1,3})\s*(?:-\s*([0-9]{1,3})\s*)?")


@dataclass(frozen=True)
class Kind:
    """One way to find neurons: its name, what it says of itself, and which fields of a search it takes."""

    title: str
    about: str
    takes: tuple[str, ...]


_PATTERN = ("pattern", "model", "site", "scope", "layers", "pole", "lift", "q")
KINDS = {
    "word": Kind(
        "word or words",
        "Neurons among whose top sentences a word, or a sequence of words with gaps allowed, is frequent. Case counts. "
        "Any of several: `not | no | never`.",
        _PATTERN,
    ),
    "tag": Kind(
        "tag sequence",
        "Neurons among whose top sentences a sequence of Penn part-of-speech tags is frequent, gaps allowed.",
        _PATTERN,
    ),
    "tree": Kind(
        "subtree", "Neurons among whose top sentences an ordered labelled subtree of the parse is frequent.", _PATTERN
    ),
    "metadata": Kind(
        "metadata class",
        "Neurons whose sentences have a metadata value more often than the corpus, by how well their activation tells "
        "all sentences with it from those without: they act like classifiers (Oba et al. 2021).",
        ("key", "value", "model", "site", "scope", "layers", "pole", "lift", "q"),
    ),
    "concept": Kind(
        "concept",
        "Feed-forward neurons that contribute to the answers of a concept's prompts (Dai et al. 2021; view "
        "`knowledge_neurons`).",
        ("dataset", "concept", "model", "layers"),
    ),
    "class": Kind(
        "class of neuron",
        "Neurons of a class after Voita et al. 2023, with the evidence (view `neuron_classes`).",
        ("name", "model", "site", "scope", "layers"),
    ),
    "explanation": Kind(
        "explanation",
        "Neurons with a stored explanation that has all of these words, those whose explanation tells their top "
        "sentences best (AUROC on sentences that it was not made of) first (view `neuron_explanations`).",
        ("pattern", "model", "site", "layers"),
    ),
    "text": Kind(
        "text: what fires here?",
        "The model runs on your text, taken as one sentence. Neurons are ordered by how many standard deviations their "
        "activation is above their mean over the corpora (z).",
        ("text", "model", "site", "layers", "pole"),
    ),
}
NEED_MODEL = ("metadata", "text")
"""Kinds for which a model is always chosen, of a text also a site: others read too much, or ran on nothing."""


@dataclass(frozen=True)
class Search:
    """What is searched for, and what the result is narrowed to; an empty text is any.

    model: MODEL@CHECKPOINT. layers: `3` or `2-5`. name: class of neuron. rows: the most that are shown.
    """

    by: str = "word"
    pattern: str = ""
    text: str = ""
    key: str = ""
    value: str = ""
    dataset: str = ""
    concept: str = ""
    name: str = ""
    model: str = ""
    site: str = ""
    scope: str = ""
    layers: str = ""
    pole: str = "top"
    lift: float = 1.0
    q: float = 0.05
    rows: int = 100

    @property
    def kind(self) -> Kind:
        """How it searches."""
        return KINDS[self.by]

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that `read` makes this search of."""
        shown = ("rows", *self.kind.takes)
        changed = {name: getattr(self, name) for name in shown if getattr(self, name) != getattr(Search, name)}
        text = {name: f"{value:.12g}" if isinstance(value, float) else str(value) for name, value in changed.items()}
        return {"by": self.by, **text}

    @property
    def found(self) -> str:
        """What was searched for, as the address of a neuron's page takes it; empty where it takes none."""
        if self.by in ("word", "tag", "tree"):
            return f"{self.by}:{' '.join(self.pattern.split())}"
        return f"metadata:{self.key}={self.value}" if self.by == "metadata" else ""

    @property
    def filters(self) -> Filters:
        """What the result is narrowed to, of what this kind of search takes."""
        takes = self.kind.takes
        model, checkpoint = split_checkpoint(self.model)
        return Filters(
            model,
            checkpoint or "",
            self.site if "site" in takes else "",
            self.scope if "scope" in takes else "",
            layer_range(self.layers),
            self.pole if "pole" in takes else "",
            self.lift if "lift" in takes else 0.0,
            self.q if "q" in takes else 1.0,
        )


def layer_range(text: str) -> tuple[int, int] | None:
    """Return the lower and the higher layer of `3` or `2-5`; null for anything else."""
    found = _LAYERS.fullmatch(text)
    if not found:
        return None
    low, high = sorted((int(found[1]), int(found[2] or found[1])))
    return low, high


def read(address: Mapping[str, str], models: Sequence[str]) -> tuple[Search, list[str]]:
    """Return the search of an address, and what is wrong with the address, in Markdown.

    models: MODEL@CHECKPOINT that there are. What is wrong is left out of the search.
    """
    problems: list[str] = []
    found: dict[str, str | float | int] = {}

    def wrong(name: str, allowed: str) -> None:
        problems.append(f"{name} {code_span(address[name])} is not here: {allowed}")

    one_of = {"by": tuple(KINDS), "name": CLASSES, "model": models, "site": SITES, "pole": POLES}
    for name in (field.name for field in fields(Search) if field.name in address):
        text = address[name]
        if name in one_of:
            if text in one_of[name]:
                found[name] = text
            else:
                wrong(name, f"there is {', '.join(map(code_span, one_of[name])) or 'none'}")
        elif name == "layers":
            if not text.strip() or layer_range(text):
                found[name] = text
            else:
                wrong(name, "write `3` or `2-5`")
        elif name in ("lift", "q"):
            highest = 1.0 if name == "q" else 1e9
            if (number := _number(text)) is not None and 0 <= number <= highest:
                found[name] = number
            else:
                wrong(name, f"it is a number from 0 to {highest:g}")
        elif name == "rows":
            if re.fullmatch("[0-9]{1,6}", text) and 1 <= int(text) <= MAX_ROWS:
                found[name] = int(text)
            else:
                wrong(name, f"it is a number from 1 to {MAX_ROWS}")
        else:
            found[name] = text
    return Search(**found), problems  # type: ignore[arg-type]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
