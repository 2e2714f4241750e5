import nltk
import pytest

from nwh.ingest.patterns.mining.forest import encode_trees
from nwh.warehouse.errors import SourceError

TEXT = "(S (NP (DT a) (JJ b) (NN c)) (VP (VB d) (NP (NN e)) (PP (IN f) (NP (NN g)))) (. h))"


def test_links_are_those_of_the_tree():
    forest = encode_trees([None, TEXT, "(NP (NN x))"])
    assert forest.bounds.tolist() == [0, 0, 14, 16]
    nodes = list(nltk.Tree.fromstring(TEXT).subtrees())  # preorder, by identity
    place = {id(node): i for i, node in enumerate(nodes)}
    for i, node in enumerate(nodes):
        at = forest.bounds[1] + i
        children = [place[id(child)] for child in node if isinstance(child, nltk.Tree)]
        assert forest.labels[forest.label[at]] == node.label()
        assert forest.first_child[at] == (children[0] if children else -1)
        for child, later in zip(children, [*children[1:], -1], strict=False):
            assert forest.parent[forest.bounds[1] + child] == i
            assert forest.next_sibling[forest.bounds[1] + child] == later
    assert forest.parent[14:].tolist() == [-1, 0]


def test_no_trees():
    assert len(encode_trees([])) == 0
    assert len(encode_trees([None])) == 1


def test_what_is_no_tree_is_refused():
    with pytest.raises(SourceError, match="NP"):
        encode_trees(["(NP (NN x)"])
