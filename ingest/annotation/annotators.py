"""Annotators: words, Penn tags and trees of sentences. A tagger finds words and tags, a parser trees.

spaCy does both at once, a CoreNLP server too; NLTK only tags, link-grammar only parses.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from nwh.ingest.annotation import corenlp, link_grammar, nltk_tagger, spacy_pipeline
from nwh.ingest.annotation.annotation import Annotation
from nwh.warehouse.errors import UsageError

TAGGERS = ("auto", "spacy", "nltk")
PARSERS = ("spacy", "link-grammar", "corenlp")
CORENLP_URL = "http://localhost:9000"
SENTENCE_SECONDS = 10.0  # a parser that takes longer for one sentence has failed on it


@dataclass(frozen=True)
class Annotator:
    """What annotates: plain values, so that every process can make its own.

    `name` is `annotations.annotator`, `tree_kind` what its trees are (null: it makes none), `note` says for the
    user which data it uses, `settings` the same for the run.
    """

    name: str
    tagger: str | None
    parser: str | None
    tree_kind: str | None
    note: str
    settings: dict[str, Any] = field(default_factory=dict)

    def open(self) -> OpenAnnotator:
        """Load what it needs and return it ready for work."""
        return OpenAnnotator(self)


def choose(tagger: str | None = None, parser: str | None = None, url: str | None = None) -> Annotator:
    """Return the annotator that options name, `auto` the first tagger that is installed (spaCy, then NLTK).

    Raises UsageError for unknown names and for what is not installed, saying how to get it; `corenlp` tags by
    itself and takes no tagger.
    """
    if tagger is not None and tagger not in TAGGERS:
        raise UsageError(f"tagger {tagger!r} is not known: use {', '.join(TAGGERS)}")
    if parser is not None and parser not in PARSERS:
        raise UsageError(f"parser {parser!r} is not known: use {', '.join(PARSERS)}")
    if url is not None and parser != "corenlp":
        raise UsageError("--url is the address of a CoreNLP server: it goes with --parser corenlp")
    if parser == "corenlp":
        if tagger is not None:
            raise UsageError("--parser corenlp finds words and tags itself: leave --tagger out")
        found = corenlp.settings(url or CORENLP_URL)
        return Annotator("corenlp", None, "corenlp", "constituency", f"CoreNLP server at {found['url']}", found)
    chosen = _installed_tagger() if tagger in (None, "auto") else tagger
    settings = spacy_pipeline.settings() if chosen == "spacy" else nltk_tagger.settings()
    note = f"words and tags by {_said(settings)}"
    if parser is None and chosen == "spacy":
        parser = "spacy"
    if parser in (None, chosen):
        kind = None if parser is None else "dependency"
        note += ", with dependency trees" if kind else "; no trees"
        return Annotator(chosen, chosen, parser, kind, note, settings)
    other = link_grammar.settings() if parser == "link-grammar" else spacy_pipeline.settings()
    kind = "constituency" if parser == "link-grammar" else "dependency"
    note += f", trees by {_said(other)}"
    return Annotator(f"{chosen}+{parser}", chosen, parser, kind, note, {**settings, **other})


def _installed_tagger() -> str:
    try:
        spacy_pipeline.settings()
    except UsageError as no_spacy:
        try:
            nltk_tagger.settings()
        except UsageError as no_nltk:
            raise UsageError(f"no tagger is installed. spacy: {no_spacy}. nltk: {no_nltk}") from no_nltk
        return "nltk"
    return "spacy"


def _said(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


class OpenAnnotator:
    """A tagger and a parser at work as one; made once per process, closed at the end."""

    def __init__(self, annotator: Annotator) -> None:
        self._stack = ExitStack()
        self._tag: Callable[[list[str]], list[Annotation]]
        self._parse: Callable[[str], str | None] | None = None
        if annotator.parser == "corenlp":
            self._tag = corenlp.CoreNlp(annotator.settings["url"], SENTENCE_SECONDS)
            self._stack.callback(self._tag.close)
            return
        if annotator.tagger == "spacy":
            self._tag = spacy_pipeline.SpacyPipeline(trees=annotator.parser == "spacy")
        else:
            self._tag = nltk_tagger.NltkTagger()
        if annotator.parser == "link-grammar":
            self._parse = self._stack.enter_context(link_grammar.LinkParser(SENTENCE_SECONDS)).parse
        elif annotator.parser == "spacy" and annotator.tagger != "spacy":
            pipeline = spacy_pipeline.SpacyPipeline(trees=True)
            self._parse = lambda text: pipeline([text])[0].tree

    def __call__(self, texts: list[str]) -> list[Annotation]:
        """Return the annotation of each sentence."""
        tagged = self._tag(texts)
        if self._parse is None:
            return tagged
        return [
            Annotation(found.words, found.tags, self._parse(text)) for found, text in zip(tagged, texts, strict=True)
        ]

    def close(self) -> None:
        """Give back what it holds."""
        self._stack.close()
