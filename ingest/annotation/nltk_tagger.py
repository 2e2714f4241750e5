"""NLTK: words by its Treebank tokenizer, Penn tags by its averaged perceptron."""

from __future__ import annotations

from typing import Any

from nwh.ingest.annotation.annotation import Annotation
from nwh.warehouse.errors import UsageError

_DATA = "averaged_perceptron_tagger_eng"


def settings() -> dict[str, Any]:
    """Return which tagger there is, and the version; UsageError, saying how to get it, without its data."""
    import nltk

    try:
        nltk.data.find(f"taggers/{_DATA}/")
    except LookupError as error:
        raise UsageError(
            f"NLTK's tagger data is not installed: python -m nltk.downloader {_DATA}, or set NLTK_DATA to a folder "
            f"that has taggers/{_DATA}"
        ) from error
    return {"nltk": nltk.__version__, "tagger": _DATA}


class NltkTagger:
    """Splits a sentence into words and tags them; makes no trees."""

    def __init__(self) -> None:
        from nltk.tag.perceptron import PerceptronTagger
        from nltk.tokenize import TreebankWordTokenizer

        settings()
        self._tagger = PerceptronTagger()
        self._split = TreebankWordTokenizer().tokenize

    def __call__(self, texts: list[str]) -> list[Annotation]:
        """Return words and tags of sentences."""
        return [self._annotation(text) for text in texts]

    def _annotation(self, text: str) -> Annotation:
        tagged = self._tagger.tag(self._split(text))
        return Annotation([word for word, _ in tagged], [tag for _, tag in tagged])
