import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.annotation.trees import clean, read_trees
from nwh.ingest.patterns.mining import patterns
from nwh.ingest.patterns.mining.forest import bracketed, encode_trees
from nwh.ingest.patterns.mining.patterns import Rules, count, mine


def write(tree):
    """Bracketed text of (label, children)."""
    return f"({' '.join([tree[0], *map(write, tree[1])])})"


def with_words(tree):
    return f"({' '.join([tree[0], *(map(with_words, tree[1]) if tree[1] else ['w'])])})"


def rooted(tree, size):
    """All induced ordered subtrees of at most `size` nodes at the root of `tree`, as (label, children)."""
    forests = {()}  # choices among the children so far
    for child in tree[1]:
        belows = rooted(child, size - 1) if size > 1 else ()
        forests |= {(*f, below) for f in forests for below in belows if nodes(f) + nodes((below,)) < size}
    return {(tree[0], forest) for forest in forests}


def nodes(forest):
    return sum(1 + nodes(children) for _, children in forest)


def brute_force(tree, size):
    """Every subtree of the tree, as text."""
    found = {write(subtree) for subtree in rooted(tree, size)}
    return found.union(*(brute_force(child, size) for child in tree[1]))


def rows_of(mined, labels, name=0):
    spelled = mined.patterns.matrix()
    these = mined.set_index == name
    texts = [bracketed(spelled[p], labels) for p in mined.pattern[these]]
    rows = dict(zip(texts, mined.support[these].tolist(), strict=True))
    assert len(rows) == len(texts)
    return rows


trees = st.recursive(
    st.sampled_from("AB").map(lambda label: (label, ())),
    lambda below: st.tuples(st.sampled_from("ABC"), st.lists(below, min_size=1, max_size=4).map(tuple)),
    max_leaves=7,
)


def test_the_brute_force_knows_a_small_tree():
    tree = ("A", (("B", ()), ("C", (("B", ()),)), ("B", ())))
    assert brute_force(tree, 3) == {
        "(A)", "(B)", "(C)", "(A (B))", "(A (C))", "(C (B))",
        "(A (B) (C))", "(A (C) (B))", "(A (B) (B))", "(A (C (B)))",
    }  # fmt: skip


@given(st.lists(trees, min_size=1, max_size=8), st.integers(1, 5), st.data())
@settings(max_examples=100)
def test_subtrees_halves_and_corpus_supports_are_those_of_brute_force(forest, max_size, data):
    n = len(forest)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    sets = [np.flatnonzero(data.draw(flags)) for _ in range(3)]
    first = np.array(data.draw(flags))
    found = [brute_force(tree, max_size) for tree in forest]
    encoded = encode_trees(map(with_words, forest))
    rules = Rules(0.4, max_length=max_size)
    mined = mine(encoded, sets, rules, first, threads=1)
    supports = count(encoded, mined.patterns, rules, first)
    texts = [bracketed(row, encoded.labels) for row in mined.patterns.matrix()]
    for name, members in enumerate(sets):
        support = {p: sum(p in found[s] for s in members) for p in set().union(*(found[s] for s in members))}
        in_first = {p: sum(p in found[s] for s in members if first[s]) for p in support}
        n_first = sum(first[members])
        frequent = {
            p for p, c in support.items() if c / len(members) >= 0.4 or (n_first and in_first[p] / n_first >= 0.4)
        }
        assert rows_of(mined, encoded.labels, name) == {p: support[p] for p in frequent}
    for name, pattern, in_first in zip(mined.set_index, mined.pattern, mined.support_first, strict=True):
        assert in_first == sum(texts[pattern] in found[s] for s in sets[name] if first[s])
    for i, text in enumerate(texts):
        assert supports.support[i] == sum(text in found[s] for s in range(n))
        assert supports.support_first[i] == sum(text in found[s] for s in range(n) if first[s])


def test_gold_trees_give_the_supports_of_brute_force(wsj):
    with wsj.open(encoding="utf-8") as lines:
        texts = [clean(tree).to_bracketed() for _, tree in read_trees(lines, "wsj.mrg")][:400]
    encoded = encode_trees(texts)
    found = [brute_force(as_nested(text), 3) for text in texts[:150]]
    every = set().union(*found)
    support = {p: sum(p in each for each in found) for p in every}
    mined = mine(encoded, [np.arange(150)], Rules(0.02, max_length=3))
    assert rows_of(mined, encoded.labels) == {p: c for p, c in support.items() if c >= 3}


def as_nested(text):
    import nltk

    def nested(tree):
        return tree.label(), tuple(nested(child) for child in tree if not isinstance(child, str))

    return nested(nltk.Tree.fromstring(text))


def test_results_do_not_depend_on_threads_chunks_or_the_block(monkeypatch):
    forest = encode_trees(
        [f"(S (NP (D a) {'(J b) ' * (i % 3)}) (VP (V c) {'(NP (N d)) ' * (i % 4)}))" for i in range(60)]
    )
    draw = np.random.default_rng(0)
    sets = [draw.choice(60, 20, replace=False) for _ in range(5)]
    rules = Rules(0.3, max_length=5)
    block = mine(forest, sets, rules, threads=3)
    for name in range(5):
        alone = mine(forest, [sets[name]], rules, threads=1)
        assert rows_of(alone, forest.labels) == rows_of(block, forest.labels, name)
    whole = count(forest, block.patterns, rules, threads=1)
    monkeypatch.setattr(patterns, "CHUNK", 7)
    assert np.array_equal(count(forest, block.patterns, rules).support, whole.support)


def test_sentences_without_trees_count_in_the_size_of_the_set():
    forest = encode_trees(["(S (N a))", None, None, None])
    assert len(mine(forest, [np.arange(4)], Rules(0.5)).support) == 0
    assert rows_of(mine(forest, [np.arange(4)], Rules(0.25)), forest.labels)["(S (N))"] == 1


def test_nothing_to_mine_gives_no_rows():
    assert len(mine(encode_trees([None]), [np.array([0])], Rules()).support) == 0
    assert len(mine(encode_trees([]), [np.array([], np.int64)], Rules()).support) == 0
