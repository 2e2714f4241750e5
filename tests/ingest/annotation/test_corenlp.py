"""CoreNLP through NLTK's client against an exchange written by hand in the server's format, played by a local one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from nwh.ingest.annotation.annotators import choose
from nwh.warehouse.errors import SourceError, UsageError

# the parts of a CoreNLP 4.5 answer that are read, and some that are not
EXCHANGE = {
    "The quick cat sat.": {
        "index": 0,
        "parse": "(ROOT\n  (S\n    (NP (DT The) (JJ quick) (NN cat))\n    (VP (VBD sat))\n    (. .)))",
        "basicDependencies": [{"dep": "ROOT", "governor": 0, "governorGloss": "ROOT", "dependent": 4}],
        "tokens": [
            {"index": 1, "word": "The", "originalText": "The", "lemma": "the", "pos": "DT"},
            {"index": 2, "word": "quick", "originalText": "quick", "lemma": "quick", "pos": "JJ"},
            {"index": 3, "word": "cat", "originalText": "cat", "lemma": "cat", "pos": "NN"},
            {"index": 4, "word": "sat", "originalText": "sat", "lemma": "sit", "pos": "VBD"},
            {"index": 5, "word": ".", "originalText": ".", "lemma": ".", "pos": "."},
        ],
    },
    "I run": {
        "index": 0,
        "parse": "(ROOT\n  (S\n    (NP (PRP I))\n    (VP (VBP run))))",
        "tokens": [
            {"index": 1, "word": "I", "originalText": "I", "lemma": "I", "pos": "PRP"},
            {"index": 2, "word": "run", "originalText": "run", "lemma": "run", "pos": "VBP"},
        ],
    },
    "skipped": {
        "index": 0,
        "parse": "SENTENCE_SKIPPED_OR_UNPARSABLE",
        "tokens": [{"index": 1, "word": "skipped", "originalText": "skipped", "lemma": "skip", "pos": "VBN"}],
    },
}


class Playback(BaseHTTPRequestHandler):
    """Answers as the server did: all lines known, else an error for the whole request."""

    asked: list[dict] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self._answer(200, b"live\n")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        properties = json.loads(parse_qs(urlsplit(self.path).query)["properties"][0])
        self.asked.append({"text": text, **properties})
        lines = text.split("\n")
        if "timeout" in lines:
            self._answer(500, b"CoreNLP request timed out. Your document may be too long.")
            return
        sentences = [{**EXCHANGE[line], "index": i} for i, line in enumerate(lines)]
        self._answer(200, json.dumps({"sentences": sentences}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Playback.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Playback) as made:
        thread = Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def url_of(server):
    return f"http://127.0.0.1:{server.server_port}"


def test_words_tags_and_trees_in_one_request(server):
    annotator = choose(parser="corenlp", url=url_of(server))
    annotate = annotator.open()
    cat, run, skipped = annotate(["The quick cat sat.", "I run", "skipped"])
    annotate.close()
    assert (annotator.name, annotator.tree_kind) == ("corenlp", "constituency")
    assert (cat.words, cat.tags) == (["The", "quick", "cat", "sat", "."], ["DT", "JJ", "NN", "VBD", "."])
    assert cat.tree == "(ROOT (S (NP (DT The) (JJ quick) (NN cat)) (VP (VBD sat)) (. .)))"
    assert run.tree == "(ROOT (S (NP (PRP I)) (VP (VBP run))))"
    assert (skipped.words, skipped.tree) == (["skipped"], None)
    (asked,) = Playback.asked
    assert asked["text"] == "The quick cat sat.\nI run\nskipped"
    assert asked["ssplit.eolonly"] == "true"
    assert {"tokenize", "pos", "parse"} <= set(asked["annotators"].split(","))


def test_a_sentence_the_server_fails_on_costs_that_sentence_alone(server):
    annotate = choose(parser="corenlp", url=url_of(server)).open()
    first, failed, last = annotate(["I run", "timeout", "I run"])
    annotate.close()
    assert first.words == last.words == ["I", "run"]
    assert (failed.words, failed.tags, failed.tree) == ([], [], None)


def test_no_server_is_refused_at_once_and_one_that_goes_away_by_name(server):
    with pytest.raises(UsageError, match=r"no CoreNLP server answers at http://127\.0\.0\.1:9.*--url"):
        choose(parser="corenlp", url="http://127.0.0.1:9")
    annotate = choose(parser="corenlp", url=url_of(server)).open()
    server.shutdown()
    server.server_close()
    with pytest.raises(SourceError, match="went away"):
        annotate(["I run"])
