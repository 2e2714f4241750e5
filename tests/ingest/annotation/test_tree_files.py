"""Gold trees: the corpus made from them, annotations beside an existing corpus, and what is refused."""

from __future__ import annotations

import nltk
import pytest

from nwh.dashboards.charts.tree_drawing import draw
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.annotation.trees import escape, parse_tree
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import read_documents
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.ingest.patterns.trees import write_trees

TWO = "( (S (NP-SBJ-1 (DT The) (NN cat)) (VP (VBD sat) (NP (-NONE- *-1))) (. .)) )\n(S (NP (PRP I))\n (VP (VBP run)))\n"


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "warehouse")


def rows(warehouse):
    return warehouse.sql(
        "select text, words, tags, tree, tree_kind, annotator from annotations "
        "inner join sentences using (sentence_id, corpus) order by sentence_id"
    ).fetchall()


def add_text(warehouse, tmp_path, lines):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    ingest_corpus(warehouse, "two", str(path), lambda: read_documents(str(path), format="lines"))


def test_the_corpus_is_made_from_the_leaves(warehouse, tmp_path):
    (tmp_path / "two.mrg").write_text(TWO)
    ingest_trees(warehouse, "two", tmp_path / "two.mrg")
    assert rows(warehouse) == [
        (
            "The cat sat .",
            ["The", "cat", "sat", "."],
            ["DT", "NN", "VBD", "."],
            "(S (NP (DT The) (NN cat)) (VP (VBD sat)) (. .))",
            "constituency",
            "trees",
        ),
        ("I run", ["I", "run"], ["PRP", "VBP"], "(S (NP (PRP I)) (VP (VBP run)))", "constituency", "trees"),
    ]
    assert warehouse.sql("select n_documents, n_sentences from corpora").fetchall() == [(1, 2)]
    assert not [finding for finding in verify(warehouse) if finding.wrong]


def test_trees_of_an_existing_corpus_are_matched_with_its_sentences(warehouse, tmp_path):
    add_text(warehouse, tmp_path, ['He said (loudly) "no"...', "The cat sat."])
    (tmp_path / "t.mrg").write_text(
        "(S (NP (PRP He)) (VP (VBD said) (PRN (-LRB- -LRB-) (RB loudly) (-RRB- -RRB-))\n"
        " (`` ``) (UH no) ('' '')) (. ...))\n"
        "(S (NP (DT The) (NN cat)) (VP (VBD sat)) (. .))\n"
    )
    ingest_trees(warehouse, "two", tmp_path / "t.mrg")
    found = rows(warehouse)
    assert [text for text, *_ in found] == ['He said (loudly) "no".', "The cat sat."]
    assert found[0][1] == ["He", "said", "-LRB-", "loudly", "-RRB-", "``", "no", "''", "..."]


def test_leaves_that_disagree_name_tree_and_sentence(warehouse, tmp_path):
    add_text(warehouse, tmp_path, ["The cat sat.", "The dog ran."])
    (tmp_path / "t.mrg").write_text(
        "(S (NP (DT The) (NN cat)) (VP (VBD sat)) (. .))\n\n(S (NP (DT The) (NN dog)) (VP (VBD sat)) (. .))\n"
    )
    with pytest.raises(
        SourceError, match=r"t\.mrg, line 3: .*'The dog sat \.'.*sentence \d+ of corpus two \('The dog ran\.'"
    ):
        ingest_trees(warehouse, "two", tmp_path / "t.mrg")
    assert rows(warehouse) == []


@pytest.mark.parametrize(
    ("n", "message"), [(1, "has 1 trees, corpus two more sentences"), (3, "more trees than corpus")]
)
def test_another_number_of_trees_than_sentences_is_refused(warehouse, tmp_path, n, message):
    add_text(warehouse, tmp_path, ["I run"] * 2)
    (tmp_path / "t.mrg").write_text("(S (NP (PRP I)) (VP (VBP run)))\n" * n)
    with pytest.raises(SourceError, match=message):
        ingest_trees(warehouse, "two", tmp_path / "t.mrg")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("(S (NP (PRP I))\n(VP (VBP run)))\n(S (NP (DT The)", SourceError, "line 3"),
        ("(S (NN a)))\n", SourceError, "line 1: a bracket closes"),
        ("(S (NN a))\n()\n", SourceError, "line 2: an empty tree"),
        ("\n", SourceError, "has no tree"),
        ("( (-NONE- *) )\n", SourceError, "has no tree"),
    ],
)
def test_bad_trees_are_refused_and_nothing_is_stored(warehouse, tmp_path, text, error, message):
    (tmp_path / "t.mrg").write_text(text)
    with pytest.raises(error, match=message):
        ingest_trees(warehouse, "two", tmp_path / "t.mrg")
    assert warehouse.sql("select count(*) from corpora").fetchall() == [(0,)]


def test_a_missing_or_binary_file_is_refused(warehouse, tmp_path):
    with pytest.raises(UsageError, match=r"no file .*none\.mrg"):
        ingest_trees(warehouse, "two", tmp_path / "none.mrg")
    (tmp_path / "t.mrg").write_bytes(b"(S (NN caf\xe9))")
    with pytest.raises(SourceError, match="not UTF-8"):
        ingest_trees(warehouse, "two", tmp_path / "t.mrg")


def test_a_tree_without_words_is_left_out_and_said(warehouse, tmp_path):
    (tmp_path / "t.mrg").write_text("( (S (-NONE- *T*)) )\n(S (NN a))\n")
    run = ingest_trees(warehouse, "two", tmp_path / "t.mrg")
    assert [text for text, *_ in rows(warehouse)] == ["a"]
    assert any("1 trees of t.mrg have no word" in note for note in run.notes)


def test_running_again_changes_nothing(warehouse, tmp_path):
    trees = write_trees(tmp_path / "t.mrg", 20)
    ingest_trees(warehouse, "two", trees)
    before = rows(warehouse)
    ingest_trees(warehouse, "two", trees)
    assert rows(warehouse) == before
    assert len(before) == 20


def test_the_treebank_sample_is_what_nltk_reads(warehouse, data):
    file = data / "trees" / "wsj.mrg"
    ingest_trees(warehouse, "wsj", file)
    trees = [nltk.Tree.fromstring("(" + text) for text in f"\n{file.read_text()}".split("\n(")[1:]]
    wanted = [[(word, tag) for word, tag in tree.pos() if tag != "-NONE-"] for tree in trees]
    found = [list(zip(words, tags, strict=True)) for _, words, tags, *_ in rows(warehouse)]
    assert found == wanted


NOTICE = """*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*
*x*                                   *x*
*x*  Copyright (C) 1992 University of *x*
*x*  Pennsylvania :) or (c             *x*
*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*

"""


def test_the_notice_of_a_treebank_file_is_passed_over(warehouse, tmp_path):
    (tmp_path / "two.mrg").write_text(NOTICE + TWO)
    ingest_trees(warehouse, "two", tmp_path / "two.mrg")
    assert [text for text, *_ in rows(warehouse)] == ["The cat sat .", "I run"]


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u3000", "\u0085", "\u2028", "\u001c"])
def test_a_word_with_a_no_break_space_is_one_word(warehouse, tmp_path, blank):
    number = f"3{blank}1/2"
    tree = f"(NP (QP (IN about) (CD {number})) (NNS men))"
    (tmp_path / "one.mrg").write_text(tree + "\n", newline="")
    ingest_trees(warehouse, "one", tmp_path / "one.mrg")
    assert rows(warehouse) == [
        (f"about {number} men", ["about", number, "men"], ["IN", "CD", "NNS"], tree, "constituency", "trees")
    ]
    assert warehouse.sql("select n_words from sentences").fetchall() == [(3,)]
    assert parse_tree(tree).words == ["about", number, "men"]
    assert escape(number) == number
    drawn = draw(tree)
    assert f"<span>{number}</span>" in drawn
