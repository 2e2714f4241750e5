"""Folding of patterns, against NLTK's trees matched node by node and Python's own subsequences."""

from __future__ import annotations

from itertools import combinations

import nltk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.closed_patterns import fold, folded, told_apart


def patterns(*texts):
    return [{"pattern": text} for text in texts]


def told(found):
    return {row["pattern"]: row["contains"] for row in found}


def test_a_pattern_is_folded_below_the_first_that_contains_it():
    found = fold(patterns("from the date", "the date", "date", "date the", "from date", "a date", "datee"), "word")
    assert told(found) == {
        "from the date": ["the date", "date", "from date"],
        "date the": [],
        "a date": [],
        "datee": [],
    }
    # one that contains an earlier, more telling one stands by itself
    assert told(fold(patterns("DT", "DT NN"), "tag")) == {"DT": [], "DT NN": []}


def test_rows_keep_their_columns_and_order():
    answer = Answer(["pattern", "support"], [("a b", 3), ("a", 3), ("c", 2), ("d", 1)], "select 1")
    found = folded(answer, "word", 2)
    assert found.columns == ["pattern", "support", "contains"]
    assert found.rows == [("a b", 3, ["a"]), ("c", 2, [])]
    assert folded(Answer(["pattern"], []), "tree", 2).rows == []


def test_patterns_of_the_same_sentences_are_folded_and_documents_counted():
    texts = [("d", ["a", "b", "c"]), ("d", ["a", "c", "b"]), ("e", ["b", "a", "c"]), ("e", ["c"]), ("f", None)]
    rows = told_apart(fold(patterns("a c", "a b", "c", "b a"), "word"), "word", texts[:-1])
    assert [(row["pattern"], row["documents"], row["contains"]) for row in rows] == [
        ("a c", 2, ["c"]),
        ("a b", 1, []),
        ("b a", 1, []),
    ]
    same = told_apart(fold(patterns("a c", "b"), "word"), "word", texts[:-1])
    assert [(row["pattern"], row["documents"], row["contains"]) for row in same] == [("a c", 2, ["b"])]
    trees = [("d", "(S (NP (DT the) (NN cat)))"), ("e", "(S (NP (NN cat)))"), ("e", None)]
    found = told_apart(fold(patterns("(NP (NN))", "(DT)"), "tree"), "tree", trees)
    assert [(row["pattern"], row["documents"]) for row in found] == [("(NP (NN))", 2), ("(DT)", 1)]


trees = st.recursive(
    st.sampled_from("AB").map(lambda label: f"({label})"),
    lambda below: st.tuples(st.sampled_from("ABC"), st.lists(below, min_size=1, max_size=3)).map(
        lambda node: f"({node[0]} {' '.join(node[1])})"
    ),
    max_leaves=5,
)


def lies_at(node, pattern):
    return node.label() == pattern.label() and any(
        all(lies_at(*pair) for pair in zip(chosen, pattern, strict=True)) for chosen in combinations(node, len(pattern))
    )


@given(trees, trees)
def test_a_subtree_is_folded_where_it_stands_in_another(first, second):
    whole, part = (nltk.Tree.fromstring(text) for text in (first, second))
    within = any(lies_at(node, part) for node in whole.subtrees())
    assert len(fold(patterns(first, second), "tree")) == (1 if within else 2)


@pytest.mark.parametrize("kind", ["word", "tag", "tree"])
def test_no_patterns(kind):
    assert fold([], kind) == []
