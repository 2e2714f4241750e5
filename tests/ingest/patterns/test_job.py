"""Patterns of a whole model against brute force: `prefixspan` per neuron, trees matched node by node, scipy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise

import nltk
import numpy as np
import pytest
import scipy.stats
from prefixspan import PrefixSpan
from sklearn.metrics import roc_auc_score

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.models import load
from nwh.ingest.patterns import job
from nwh.ingest.patterns.job import ingest_patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.schema.neurons import NEURON_PATTERNS
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.patterns.trees import write_trees

MODEL, RULES = ("tiny-bert", "main"), Rules(min_support=0.1, max_length=3)
MINED = ("mined_lift", "mined_g2", "mined_q_value")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert):
    """Return the folder of a warehouse with two corpora of made-up trees and the model's activations over them."""
    folder = tmp_path_factory.mktemp("patterns")
    warehouse = Warehouse.create(folder / "warehouse")
    for corpus, n, seed in (("one", 120, 1), ("two", 80, 2)):
        ingest_trees(warehouse, corpus, write_trees(folder / f"{corpus}.mrg", n, seed))
    model = load(str(tiny_bert), device="cpu")
    ingest_activations(warehouse, model, ["one", "two"], Settings(("hidden",), k=25, sample=30))
    ingest_activations(warehouse, model, ["one"], Settings(("ffn",), k=25, sample=5))
    return folder / "warehouse"


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def texts_of(warehouse, kind, corpora):
    """Return {sentence_id: items or tree}, of words with a letter."""
    rows = warehouse.sql(
        "select sentence_id, words, tags, tree from annotations semi join sentence_tokens using (sentence_id) "
        "where list_contains($1, corpus)",
        [corpora],
    ).fetchall()
    if kind == "tree":
        return {row[0]: nltk.Tree.fromstring(row[3]) for row in rows}
    items = {"word": 1, "tag": 2}[kind]
    return {
        row[0]: [item for word, item in zip(row[1], row[items], strict=True) if any(map(str.isalnum, word))]
        for row in rows
    }


def has_sequence(items, pattern):
    left = iter(items)
    return all(item in left for item in pattern)


def matches_at(node, pattern):
    """Return whether a pattern (label, children) lies at a node: its children among the node's, in order."""
    if not isinstance(node, nltk.Tree) or node.label() != pattern.label():
        return False
    return any(
        all(matches_at(child, wanted) for child, wanted in zip(chosen, pattern, strict=True))
        for chosen in combinations(node, len(pattern))
    )


def has_tree(tree, bracketed):
    pattern = nltk.Tree.fromstring(bracketed)
    return any(matches_at(node, pattern) for node in tree.subtrees())


def subtrees(tree, size):
    """Return every subtree of up to `size` nodes, bracketed, by choosing nodes that hang together."""
    positions = [position for position in tree.treepositions() if isinstance(tree[position], nltk.Tree)]
    found = set()
    for n in range(1, size + 1):
        for chosen in combinations(positions, n):
            root = min(chosen, key=len)
            if all(position == root or position[:-1] in chosen for position in chosen):
                found.add(spelled(tree, root, chosen))
    return found


def spelled(tree, root, chosen):
    children = sorted(position for position in chosen if position[:-1] == root and position != root)
    inner = "".join(" " + spelled(tree, child, chosen) for child in children)
    return f"({tree[root].label()}{inner})"


def in_first_half(sentence_id):
    """SplitMix64, with Python's own integers."""
    mask = 2**64 - 1
    z = (sentence_id + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) < 2**63


def package_rows(lists):
    """Return the patterns of up to 3 items in any of the lists, with their supports."""
    miner = PrefixSpan(lists)
    miner.maxlen = 3
    return {tuple(pattern): support for support, pattern in miner.frequent(1)}


def by_scipy(a, k, c, n):
    """Return G2 and p of a table by scipy: Fisher's exact p where chi-square is none to trust."""
    if min(k, n - k) * min(c, n - c) == 0:
        return 0, 1
    table = [[a, k - a], [c - a, n - k - c + a]]
    test = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    return test.statistic, test.pvalue if test.expected_freq.min() >= 1 else scipy.stats.fisher_exact(table).pvalue


@pytest.mark.parametrize(("kind", "pole"), [("word", "top"), ("tag", "bottom"), ("tree", "top")])
def test_neurons_detect_patterns_as_scikit_learn_says(warehouse, kind, pole):
    """Over the sample of both corpora, of more sentences than are told apart in one pass."""
    ingest_patterns(warehouse, *MODEL, RULES, sites=["hidden"], kinds=[kind], layers=[1], pole=pole, neurons=[3, 4])
    texts = texts_of(warehouse, kind, ["one", "two"])
    sample = dict(
        warehouse.sql(
            "select sentence_id, activations from activation_sample where site = 'hidden' and layer = 1"
        ).fetchall()
    )
    assert len(sample) == 60
    rows = warehouse.sql(
        "select neuron, pattern, auroc, sample_support, n_sampled from neuron_patterns order by pattern_text, neuron"
    ).fetchall()
    has_it = has_sequence if kind != "tree" else lambda tree, pattern: has_tree(tree, pattern[0])
    for neuron, pattern, auroc, n_with, n in rows[:: 1 + len(rows) // 150]:
        has = [has_it(texts[sentence_id], pattern) for sentence_id in sample]
        assert (n_with, n) == (sum(has), 60)
        assert (auroc is None) == (min(n_with, 60 - n_with) < 5)
        if auroc is not None:
            sign = 1 if pole == "top" else -1
            want = roc_auc_score(has, [sign * values[neuron] for values in sample.values()])
            assert auroc == pytest.approx(want, abs=0.000501)
    assert sum(row[2] is not None for row in rows) > 20


@pytest.mark.parametrize("kind", ["word", "tag", "tree"])
def test_rows_equal_brute_force_over_the_union_of_corpora(warehouse, kind):
    ingest_patterns(warehouse, *MODEL, RULES, sites=["hidden"], kinds=[kind], layers=[1])
    texts = texts_of(warehouse, kind, ["one", "two"])
    n, first = len(texts), {s for s in texts if in_first_half(s)}
    stored = warehouse.sql("select * from neuron_patterns where layer = 1").pl()
    assert set(stored["scope"]) == {"one+two"}
    assert set(stored["annotator"]) == {"trees"}
    assert stored["neuron"].n_unique() == 16
    known = Counter()
    for (neuron,), rows in stored.group_by("neuron"):
        top = warehouse.sql(
            "select sentence_id from top_sentences(['one', 'two'], 25) where site = 'hidden' and pole = 'top' "
            "and layer = 1 and neuron = $1",
            [neuron],
        ).fetchall()
        top = [sentence_id for (sentence_id,) in top]
        if kind == "tree":
            frequent = [pattern for s in top for pattern in subtrees(texts[s], 3)]
            every = {(p,): frequent.count(p) for p in set(frequent)}
            in_first = Counter((p,) for s in set(top) & first for p in subtrees(texts[s], 3))
        else:
            every = package_rows([texts[s] for s in top])
            in_first = package_rows([texts[s] for s in set(top) & first])
        n_first = len(set(top) & first)
        chosen = {pattern for pattern, support in in_first.items() if support / n_first >= 0.1}
        frequent = {pattern for pattern, support in every.items() if support / 25 >= 0.1}
        found = dict(zip(map(tuple, rows["pattern"].to_list()), rows["support"].to_list(), strict=True))
        assert found == {pattern: every[pattern] for pattern in frequent | chosen}
        if neuron % 5:  # statistics of a few neurons are enough
            continue
        p_values, mined_p_values = [], []
        for row in rows.iter_rows(named=True):
            match = has_tree if kind == "tree" else has_sequence
            pattern = row["pattern"][0] if kind == "tree" else row["pattern"]
            having = {s for s, text in texts.items() if match(text, pattern)}
            a, c = len(having & set(top)), len(having)
            assert (row["k"], row["n_sentences"], row["corpus_support"], row["support"]) == (25, n, c, a)
            assert row["lift"] == pytest.approx((a / 25) / (c / n))
            g2, p = by_scipy(a, 25, c, n)
            assert row["g2"] == pytest.approx(g2, abs=1e-9)
            assert row["p_value"] == pytest.approx(p, rel=1e-9)
            p_values.append((row["q_value"], p if tuple(row["pattern"]) in frequent else None))
            a, c = len(having & set(top) & first), len(having & first)
            assert (row["mined_k"], row["mined_support"]) == (n_first, a)
            if tuple(row["pattern"]) not in chosen:
                assert {row[name] for name in (*MINED, "heldout_auroc")} == {None}
                continue
            g2, p = by_scipy(a, n_first, c, len(first))
            assert row["mined_lift"] == pytest.approx((a / n_first) / (c / len(first)), rel=1e-6)
            assert row["mined_g2"] == pytest.approx(g2, rel=1e-6, abs=1e-6)
            mined_p_values.append((row["mined_q_value"], p))
            held = [s for s in texts if s not in first]
            is_top, has_it = np.array([s in top for s in held]), np.array([s in having for s in held], float)
            u = scipy.stats.mannwhitneyu(has_it[is_top], has_it[~is_top]).statistic
            assert row["heldout_auroc"] == pytest.approx(u / (is_top.sum() * (~is_top).sum()))
        for pairs in (p_values, mined_p_values):
            q, p = zip(*(pair for pair in pairs if pair[1] is not None), strict=True)
            np.testing.assert_allclose(q, scipy.stats.false_discovery_control(p), rtol=1e-6)
        assert {q for q, p in p_values if p is None} <= {None}
        known["frequent in the whole alone"] += len(frequent - chosen)
        known["frequent in the first half alone"] += len(chosen - frequent)
    assert len(known) == 2
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_a_gap_limit_and_the_bottom_pole(warehouse):
    rules = Rules(min_support=0.2, max_length=2, max_gap=0)
    ingest_patterns(warehouse, *MODEL, rules, corpora=["one"], sites=["ffn"], kinds=["word"], layers=[0], pole="bottom")
    texts = texts_of(warehouse, "word", ["one"])
    for (neuron,), rows in warehouse.sql("from neuron_patterns").pl().group_by("neuron"):
        bottom = warehouse.sql(
            "select sentence_id from neuron_topk where site = 'ffn' and corpus = 'one' and layer = 0 "
            "and neuron = $1 and pole = 'bottom'",
            [neuron],
        ).fetchall()
        lists = [texts[s] for (s,) in bottom]
        wanted = {}
        for grams in [{*zip(items)} | {*pairwise(items)} for items in lists]:
            for gram in grams:
                wanted[gram] = wanted.get(gram, 0) + 1
        rows = rows.filter(rows["support"] >= 5)  # the others are frequent in the first half
        found = dict(zip(map(tuple, rows["pattern"].to_list()), rows["support"].to_list(), strict=True))
        assert found == {gram: support for gram, support in wanted.items() if support >= 5}


def rows_of(warehouse):
    return warehouse.sql("from neuron_patterns order by all").pl()


def test_an_interrupted_run_goes_on_by_layer_and_equals_an_uninterrupted_one(warehouse, monkeypatch, tmp_path):
    whole = copied(tmp_path / "warehouse", tmp_path / "whole")
    ingest_patterns(whole, *MODEL, RULES, corpora=["one"], sites=["hidden"], kinds=["tag"])
    real, read = job.read_sets, []

    def sets_until_interrupted(warehouse, scope, layer, *others):
        read.append(layer)
        if len(read) in (2, 4):
            raise KeyboardInterrupt
        return real(warehouse, scope, layer, *others)

    monkeypatch.setattr(job, "read_sets", sets_until_interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ingest_patterns(warehouse, *MODEL, RULES, corpora=["one"], sites=["hidden"], kinds=["tag"])
        assert rows_of(warehouse).is_empty()
    (run,) = ingest_patterns(warehouse, *MODEL, RULES, corpora=["one"], sites=["hidden"], kinds=["tag"])
    assert read == [0, 1, 1, 2, 2]
    assert any(note.startswith("resumed run") for note in run.notes)
    assert rows_of(warehouse).equals(rows_of(whole))
    assert warehouse.storage.staged_places() == []


def test_blocks_of_neurons_change_nothing(warehouse, monkeypatch):
    ingest_patterns(warehouse, *MODEL, RULES, corpora=["one"], kinds=["word"])
    before = rows_of(warehouse)
    monkeypatch.setattr(job, "BLOCK", 5)
    monkeypatch.setattr("nwh.ingest.patterns.rows._ROWS", 30)
    ingest_patterns(warehouse, *MODEL, RULES, corpora=["one"], kinds=["word"], again=True)
    assert rows_of(warehouse).equals(before)


def groups_of(warehouse):
    """Return (layers, neurons, texts) of each row group of the one stored file."""
    import pyarrow.parquet as pq

    (uri,) = warehouse.snapshot["neuron_patterns"]
    file = pq.ParquetFile(uri)
    return [
        tuple(file.read_row_group(i, [name])[name].to_pylist() for name in ("layer", "neuron", "pattern_text"))
        for i in range(file.num_row_groups)
    ]


def test_rows_lie_by_text_within_blocks_of_neurons(warehouse, monkeypatch):
    monkeypatch.setattr("nwh.ingest.patterns.rows._ROWS", 300)
    monkeypatch.setitem(RELATIONS, "neuron_patterns", replace(NEURON_PATTERNS, rows_per_group=64))
    choice = {"corpora": ["one"], "sites": ["hidden"], "kinds": ["word"]}
    ingest_patterns(warehouse, *MODEL, RULES, **choice)
    whole = groups_of(warehouse)
    ingest_patterns(warehouse, *MODEL, RULES, **choice, layers=[1], neurons=[3, 9, 10], again=True)
    for groups in (whole, groups_of(warehouse)):
        blocks = []
        for layers, neurons, texts in groups:
            assert len(texts) <= 64
            assert len(set(layers)) == 1
            rows = list(zip(texts, neurons, strict=True))
            assert rows == sorted(rows)
            if blocks and blocks[-1][-1] < rows[0] and len(blocks[-1]) % 64 == 0:
                blocks[-1] += rows
            else:
                blocks.append(rows)
        spans = [{neuron for _, neuron in block} for block in blocks]
        assert all(len(block) <= 300 or len(span) == 1 for block, span in zip(blocks, spans, strict=True))
        assert sum(len(span) for span in spans) == 3 * 16  # no neuron is in two blocks
        # a frequent pattern is in a row group or two of each block
        having = sum("the" in texts for _, _, texts in groups)
        assert 0 < having <= 2 * len(blocks) < len(groups)
    found = warehouse.sql("select count(*) from neuron_patterns where pattern_text <> array_to_string(pattern, ' ')")
    assert found.fetchall() == [(0,)]


def test_some_layers_or_neurons_replace_their_own_rows_and_nothing_else(warehouse, monkeypatch):
    choice = {"corpora": ["one"], "sites": ["hidden"], "kinds": ["word"]}
    ingest_patterns(warehouse, *MODEL, RULES, **choice)
    ingest_patterns(warehouse, *MODEL, RULES, **{**choice, "kinds": ["tag"], "layers": [0]})
    before = rows_of(warehouse)
    assert ingest_patterns(warehouse, *MODEL, RULES, **choice, layers=[1], neurons=[3]) == []
    ingest_patterns(warehouse, *MODEL, RULES, **choice, layers=[1], neurons=[3, 4], again=True)
    ingest_patterns(warehouse, *MODEL, RULES, **choice, layers=[2], again=True)
    assert rows_of(warehouse).equals(before)
    assert ingest_patterns(warehouse, *MODEL, RULES, **choice) == []
    # the tags of two more layers come to those of layer 0
    ingest_patterns(warehouse, *MODEL, RULES, **{**choice, "kinds": ["tag"], "layers": [1, 2]})
    assert warehouse.sql("select distinct layer from neuron_patterns where kind = 'tag' order by 1").fetchall() == [
        (0,),
        (1,),
        (2,),
    ]
    with pytest.raises(
        UsageError, match=r"stored word patterns of hidden over one were mined otherwise \(min_support\)"
    ):
        ingest_patterns(warehouse, *MODEL, Rules(min_support=0.5), **choice, layers=[1])
    ingest_patterns(warehouse, *MODEL, Rules(min_support=0.5), **choice)
    assert warehouse.sql(
        "select min(support / k) >= 0.5 from neuron_patterns where kind = 'word' and q_value is not null"
    ).fetchall() == [(True,)]


def test_patterns_of_replaced_activations_are_mined_again(warehouse, tiny_bert):
    choice = {"corpora": ["one"], "sites": ["ffn"], "kinds": ["word"]}
    ingest_patterns(warehouse, *MODEL, RULES, **choice)
    assert ingest_patterns(warehouse, *MODEL, RULES, **choice) == []
    model, settings = load(str(tiny_bert), device="cpu"), Settings(("ffn",), k=10, sample=5)
    with pytest.raises(UsageError, match="patterns of .* earlier activations"):
        ingest_activations(warehouse, model, ["one"], settings)
    ingest_activations(warehouse, model, ["one"], settings, again=True)
    assert warehouse.sql("select count(*) from neuron_patterns").fetchall() == [(0,)]
    (run,) = ingest_patterns(warehouse, *MODEL, RULES, **choice)
    assert run.settings["k"] == 10
    assert warehouse.sql("select distinct k from neuron_patterns").fetchall() == [(10,)]
