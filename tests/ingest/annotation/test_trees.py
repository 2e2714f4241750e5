import re

import nltk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.annotation.trees import clean, parse_tree, read_trees
from nwh.warehouse.errors import SourceError

MRG = """( (S
    (NP-SBJ-1 (DT The) (NN jury))
    (VP (VBD was)
      (VP (VBN asked) (NP (-NONE- *-1)) (PRN (-LRB- -LRB-) (ADVP=2 (RB too))))) (. .)))
(ROOT (FRAG (PRP$ My)
))
"""


def read(text):
    return list(read_trees(text.splitlines(keepends=True), "a.mrg"))


def test_trees_are_read_with_their_lines_cleaned_and_written():
    (first, tree), (second, fragment) = read(MRG)
    assert (first, second) == (1, 5)
    cleaned = clean(tree)
    assert cleaned.to_bracketed() == (
        "(S (NP (DT The) (NN jury)) (VP (VBD was) (VP (VBN asked) (PRN (-LRB- -LRB-) (ADVP (RB too))))) (. .))"
    )
    assert cleaned.words == ["The", "jury", "was", "asked", "-LRB-", "too", "."]
    assert cleaned.tags == ["DT", "NN", "VBD", "VBN", "-LRB-", "RB", "."]
    assert clean(fragment) == fragment
    assert fragment.to_bracketed() == "(ROOT (FRAG (PRP$ My)))"


def test_words_may_stand_beside_phrases():
    tree = parse_tree("(S (NP the dog) (VP ran (PP off)))")
    assert tree.words == ["the", "dog", "ran", "off"]
    assert tree.tags == ["NP", "NP", "VP", "PP"]
    assert clean(tree).to_bracketed() == "(S (NP the dog) (VP ran (PP off)))"


def test_a_tree_of_empty_elements_alone_leaves_nothing():
    assert clean(parse_tree("( (S (NP (-NONE- *)) (VP (-NONE- *?*))))")) is None


def test_a_root_without_label_over_several_phrases_gets_one():
    assert clean(parse_tree("( (NP (NN a)) (VP (VB b)))")).to_bracketed() == "(ROOT (NP (NN a)) (VP (VB b)))"
    assert clean(parse_tree("( (NP (-NONE- a)) (VP (VB b)))")).to_bracketed() == "(VP (VB b))"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("(S (NN a))\n(S (NN a)))\n", 2, "not opened"),
        ("(S (NN a))\n\n(S\n (NN a)\n", 3, "not closed"),
        ("(S (NN a))\nword\n", 2, "outside brackets"),
        ("\n( )\n", 2, "empty tree"),
        ("()", 1, "empty tree"),
        ("\n\n(S\n (NP))\n", 3, "no word"),
        ("(S\n (NP ( (NN a))))\n", 2, "label"),
        ("(S (NN a)\n ())\n", 2, "empty brackets"),
    ],
)
def test_bad_brackets_are_refused_by_line(text, line, says):
    with pytest.raises(SourceError, match=rf"a\.mrg, line {line}: .*{says}"):
        read(text)


def test_trees_before_a_bad_one_are_read():
    trees = read_trees(["(S (NN a))\n", ")\n"], "a.mrg")
    assert next(trees)[1].words == ["a"]
    with pytest.raises(SourceError, match="line 2"):
        next(trees)


def test_one_tree_means_one():
    for text in ("", "(S (NN a)) (S (NN b))"):
        with pytest.raises(SourceError, match="give one"):
            parse_tree(text)


def test_a_tree_nested_thousands_deep_is_no_problem():
    text = "(S " * 5000 + "(NN a)" + ")" * 5000
    assert clean(parse_tree(text)).to_bracketed() == text


labels = st.sampled_from(["S", "NP-SBJ", "NP=1", "VP", "-LRB-", "PRP$", "ADVP|PRT-CLR"])
words = st.sampled_from(["a", "b", "-LRB-", "*-1", "x=y"])
preterminals = st.builds(lambda tag, word: f"({tag} {word})", st.one_of(labels, st.just("-NONE-")), words)
bracketed = st.recursive(
    preterminals,
    lambda trees: st.builds(lambda a, b: f"({a} {' '.join(b)})", labels, st.lists(trees, min_size=1)),
)


def by_nltk(tree):
    """The cleaning on nltk's trees, by recursion."""
    if isinstance(tree, str):
        return tree
    if tree.label() == "-NONE-":
        return None
    children = [child for child in map(by_nltk, tree) if child is not None]
    label = tree.label() if tree.label()[0] == "-" else re.split("[-=]", tree.label())[0]
    return nltk.Tree(label, children) if children else None


def one_line(tree):
    return None if tree is None else " ".join(str(tree).split())


@given(bracketed)
@settings(max_examples=200)
def test_reading_and_cleaning_agree_with_nltk(text):
    tree, theirs = parse_tree(text), nltk.Tree.fromstring(text)
    assert tree.to_bracketed() == text
    assert tree.words == theirs.leaves()
    assert tree.tags == [tag for _, tag in theirs.pos()]
    cleaned, theirs = clean(tree), by_nltk(theirs)
    assert (cleaned and cleaned.to_bracketed()) == one_line(theirs)


def test_the_treebank_agrees_with_nltk(wsj):
    with wsj.open(encoding="utf-8") as lines:
        ours = [clean(tree).to_bracketed() for _, tree in read_trees(lines, "wsj.mrg")]
    parts = re.split(r"^(?=\()", wsj.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    theirs = [by_nltk(nltk.Tree.fromstring(part, remove_empty_top_bracketing=True)) for part in parts]
    assert len(ours) == 2641
    assert ours == [one_line(tree) for tree in theirs]
