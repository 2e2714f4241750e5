"""A Stanford CoreNLP server, the study's parser: words, Penn tags and constituent trees, through NLTK's client."""

from __future__ import annotations

from typing import Any

from nwh.ingest.annotation.annotation import Annotation
from nwh.ingest.annotation.trees import cleaned
from nwh.warehouse.errors import SourceError, UsageError

_TOGETHER = 32  # sentences in one request


def settings(url: str) -> dict[str, Any]:
    """Return the server's address; UsageError where nothing answers there."""
    import requests

    try:
        requests.get(f"{url.rstrip('/')}/live", timeout=10)
    except requests.RequestException as error:
        raise UsageError(
            f"no CoreNLP server answers at {url}: start one (java -mx4g -cp '*' "
            "edu.stanford.nlp.pipeline.StanfordCoreNLPServer -port 9000), or name it with --url"
        ) from error
    return {"url": url.rstrip("/")}


class CoreNlp:
    """Sends sentences to the server, many in a request; those it fails on one by one."""

    def __init__(self, url: str, seconds: float) -> None:
        """Give each sentence `seconds` before it counts as failed."""
        from nltk.parse.corenlp import CoreNLPParser

        self._url = url
        self._seconds = seconds
        self._parser = CoreNLPParser(url=url)

    def __call__(self, texts: list[str]) -> list[Annotation]:
        """Return words, tags and trees of sentences; SourceError where the server goes away."""
        found: list[Annotation] = []
        for start in range(0, len(texts), _TOGETHER):
            part = texts[start : start + _TOGETHER]
            annotations = self._ask(part)
            if annotations is None:
                annotations = [(self._ask([text]) or [Annotation([], [])])[0] for text in part]
            found += annotations
        return found

    def close(self) -> None:
        """End the connection."""
        self._parser.session.close()

    def _ask(self, texts: list[str]) -> list[Annotation] | None:
        """Return the annotations of sentences; null where the server cannot annotate them."""
        import requests

        try:
            # one sentence a line: the server must not split them further
            answer = self._parser.api_call(
                "\n".join(" ".join(text.split()) for text in texts),
                properties={"ssplit.eolonly": "true", "timeout": str(int(1000 * self._seconds * len(texts)))},
                timeout=self._seconds * len(texts) + 60,
            )
            sentences = answer["sentences"]
        except requests.ConnectionError as error:
            raise SourceError(
                f"the CoreNLP server at {self._url} went away: start it and run the command again"
            ) from error
        except (requests.RequestException, OSError, ValueError, KeyError, TypeError):
            return None
        if len(sentences) != len(texts):
            return None
        return [_annotation(sentence) for sentence in sentences]


def _annotation(sentence: dict[str, Any]) -> Annotation:
    """Return the annotation of one sentence of the server's JSON: `tokens` with `word` and `pos`, `parse`."""
    words = [token["word"] for token in sentence["tokens"]]
    tags = [token["pos"] for token in sentence["tokens"]]
    return Annotation(words, tags, cleaned(sentence.get("parse", "")))  # SENTENCE_SKIPPED_OR_UNPARSABLE is no tree
