"""Link Grammar's own program, where it is installed: trees, failures, time limits, restarts."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from nwh.ingest.annotation import link_grammar
from nwh.ingest.annotation.annotators import choose
from nwh.ingest.annotation.trees import parse_tree
from nwh.warehouse.errors import UsageError


@pytest.fixture(autouse=True)
def _installed():
    try:
        link_grammar.settings()
    except UsageError as error:
        pytest.skip(str(error))


def test_the_tree_is_that_of_the_program_without_its_subscripts():
    sentence = "The cat sat on the mat."
    said = subprocess.run(
        ["link-parser", "en", "-constituents=3", "-graphics=0", "-verbosity=0"],
        input=sentence,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "(S (NP the cat.n) (VP sat.v-d (PP on (NP the mat.n))) .)" in said
    with link_grammar.LinkParser(10) as parser:
        assert parser.parse(sentence) == "(S (NP the cat) (VP sat (PP on (NP the mat))) .)"


def test_sentences_keep_their_places_whatever_comes_between():
    sentences = [
        "The cat sat.",
        "of of of the",
        "!exit",
        "",
        "word " * 500,
        "%He runs.",
        "I saw (a) {b} [c] 3.5.",
        "Dogs bark.",
    ]
    with link_grammar.LinkParser(10) as parser:
        trees = [parser.parse(sentence) for sentence in sentences]
    assert trees[0] == "(S (NP the cat) (VP sat) .)"
    assert trees[1] is trees[3] is trees[4] is None
    assert trees[5] == "(S (NP he) (VP runs) .)"
    assert trees[7] == "(S (NP dogs) (VP bark) .)"
    for tree in filter(None, trees):
        assert parse_tree(tree).words


def test_a_killed_program_fails_one_sentence_and_is_started_again():
    with link_grammar.LinkParser(10) as parser:
        assert parser.parse("The cat sat.")
        os.kill(parser._process.pid, signal.SIGKILL)
        parser._process.wait()
        assert parser.parse("The dog sat.") is None
        assert parser.parse("The cat sat.") == "(S (NP the cat) (VP sat) .)"


def test_a_program_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(link_grammar, "_GRACE", 0.5)
    with link_grammar.LinkParser(0.5) as parser:
        assert parser.parse("The cat sat.")
        os.kill(parser._process.pid, signal.SIGSTOP)
        assert parser.parse("The dog sat.") is None
        assert parser.parse("The cat sat.") == "(S (NP the cat) (VP sat) .)"


def test_words_and_tags_come_from_the_tagger():
    try:
        annotator = choose("auto", "link-grammar")
    except UsageError as error:
        pytest.skip(str(error))
    annotate = annotator.open()
    (found,) = annotate(["The cat sat."])
    annotate.close()
    assert annotator.name.endswith("+link-grammar")
    assert annotator.tree_kind == "constituency"
    assert (found.words, found.tags) == (["The", "cat", "sat", "."], ["DT", "NN", "VBD", "."])
    assert found.tree == "(S (NP the cat) (VP sat) .)"
