"""Views over annotations and patterns, and table 2, against Python's own counting over the same rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
import scipy.optimize
import scipy.stats
from sklearn.metrics import roc_auc_score

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.models import load
from nwh.ingest.patterns.job import ingest_patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.warehouse import Warehouse, output, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.neuron_description import describe, write
from nwh.warehouse.queries.search import Filters
from tests.ingest.patterns.trees import write_trees

PLACE = "layer = 1 and neuron = 4 and pole = 'top' and corpus = 'one'"
NEURON = Neuron("tiny-bert", "main", "hidden", 1, 4)
CLASS = {"NN": "noun", "VBZ": "verb", "JJ": "adjective", "DT": "determiner", "IN": "preposition", "RB": "adverb"}
ADVERB = "( (S (NP (DT the) (NN cat)) (VP (VBZ sees) (ADVP (RB now))) (. .)) )\n"  # the only one of its corpus


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, tiny_bert):
    folder = tmp_path_factory.mktemp("questions")
    made = Warehouse.create(folder / "warehouse")
    for corpus, n, seed in (("one", 150, 1), ("two", 50, 2)):
        trees = write_trees(folder / f"{corpus}.mrg", n, seed)
        trees.write_text(ADVERB + trees.read_text())
        ingest_trees(made, corpus, trees)
    model = load(str(tiny_bert), device="cpu")
    model.base.encoder.layer[2].output.LayerNorm.weight[15] = 0  # hidden/2/15 is its bias, whatever is read: dead
    ingest_activations(made, model, ["one", "two"], Settings(("hidden",), k=20, sample=99))
    ingest_patterns(made, "tiny-bert", "main", Rules(min_support=0.1))
    ingest_patterns(made, "tiny-bert", "main", Rules(min_support=0.1), corpora=["two"], kinds=["word"])
    return made


@pytest.fixture(scope="module")
def sentences(warehouse):
    """Return [(in the neuron's top, words, tags)] of corpus one, punctuation left out."""
    rows = warehouse.sql(
        f"select sentence_id in (select sentence_id from neuron_topk where {PLACE}), words, tags from annotations "
        "where corpus = 'one'"
    ).fetchall()
    return [
        (top, *zip(*((w, t) for w, t in zip(words, tags, strict=True) if w != "."), strict=True))
        for top, words, tags in rows
    ]


def test_neuron_words(warehouse, sentences):
    found = warehouse.sql(f"select * from neuron_words where {PLACE}").pl()
    in_top, in_all = Counter(), Counter()
    for top, words, tags in sentences:
        for item in {(CLASS[tag], word) for word, tag in zip(words, tags, strict=True)}:
            in_top[item] += top
            in_all[item] += 1
    wanted = {item: n for item, n in in_top.items() if n >= 2}  # of all classes; 1 % of k is less than two
    assert {of for of, _ in wanted} >= {"noun", "verb", "determiner"}
    assert {(row["class"], row["word"]): row["support"] for row in found.iter_rows(named=True)} == wanted
    g2, p = {}, {}
    for item, a in in_top.items():
        if not a:
            continue
        c, n = in_all[item], len(sentences)
        table = [[a, 20 - a], [c - a, n - 20 - c + a]]
        test = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        g2[item] = test.statistic
        p[item] = test.pvalue if test.expected_freq.min() >= 1 else scipy.stats.fisher_exact(table).pvalue
    for row in found.iter_rows(named=True):
        item, a, c, n = (row["class"], row["word"]), row["support"], in_all[row["class"], row["word"]], len(sentences)
        assert (row["k"], row["corpus_support"], row["n_sentences"]) == (20, c, n)
        assert row["g2"] == pytest.approx(g2[item], rel=1e-6, abs=1e-6)
        assert row["p_value"] == pytest.approx(p[item], rel=1e-6)
        assert row["lift"] == pytest.approx(a / 20 / (c / n), rel=1e-6)
        tested = [other for other in in_all if other[0] == item[0]]  # those that the neuron's sentences lack have p = 1
        wanted_q = scipy.stats.false_discovery_control([p.get(other, 1) for other in tested])
        assert row["n_tested"] == len(tested)
        assert row["q_value"] == pytest.approx(wanted_q[tested.index(item)], rel=1e-6)


@pytest.mark.parametrize("pole", ["top", "bottom"])
@pytest.mark.parametrize("neuron", [4, 5])
def test_parts_of_speech_of_a_neuron_are_counted_by_class_and_corpus(warehouse, neuron, pole):
    asked = replace(NEURON, neuron=neuron), ["one", "two"], "trees"
    found = queries.shared_patterns.tag_distribution(warehouse, *asked, pole=pole).records
    counts = {"one": (Counter(), Counter()), "two": (Counter(), Counter())}
    for corpus, in_pole, tags in warehouse.sql(
        "select corpus, sentence_id in (select sentence_id from neuron_topk where layer = 1 and neuron = $1 "
        "and pole = $2), tags from annotations",
        [neuron, pole],
    ).fetchall():
        classes = [CLASS[tag] for tag in tags if tag != "."]
        counts[corpus][0].update(classes if in_pole else ())
        counts[corpus][1].update(classes)
    assert {(row["corpus"], row["class"]) for row in found} == {(of, name) for of in counts for name in counts[of][1]}
    for row in found:
        own, whole = counts[row["corpus"]]
        share, corpus_share = own[row["class"]] / own.total(), whole[row["class"]] / whole.total()
        wanted = (share, corpus_share, share / corpus_share)
        assert (row["share"], row["corpus_share"], row["lift"]) == pytest.approx(wanted, rel=1e-5)
    typical = queries.shared_patterns.typical_words(warehouse, *asked, 99, pole=pole, min_support=0, max_q=1)
    assert {row["corpus"] for row in typical.records} == {"one", "two"}
    assert {row["class"] for row in typical.records} <= {"noun", "verb", "adjective"}


def test_a_dead_neuron_has_no_typical_words(warehouse):
    place = "layer = 2 and neuron = 15"
    assert warehouse.sql(f"select count(*) from neuron_topk where {place}").fetchall() == [(80,)]
    for relation in ("neuron_words", "neuron_tag_distribution", "neuron_metadata"):
        assert warehouse.sql(f"select count(*) from {relation} where {place}").fetchall() == [(0,)]
    assert warehouse.sql(f"select differ from neuron_profiles where {place}").fetchall() == [(0,)] * 4
    found = warehouse.sql("select count(*), min(k), max(k) from neuron_profiles where differ = 1").fetchall()
    assert found == [((3 * 16 - 1) * 2 * 2, 20, 20)]


def test_neuron_tag_distribution(warehouse, sentences):
    found = warehouse.sql(f"select * from neuron_tag_distribution where {PLACE}").pl()
    in_top = Counter(tag for top, _, tags in sentences if top for tag in tags)
    in_all = Counter(tag for _, _, tags in sentences for tag in tags)
    assert set(found["tag"]) == set(in_all)
    for row in found.iter_rows(named=True):
        assert row["class"] == CLASS[row["tag"]]
        assert (row["words"], row["corpus_words"]) == (in_top[row["tag"]], in_all[row["tag"]])
        assert row["share"] == pytest.approx(in_top[row["tag"]] / in_top.total())
        assert row["corpus_share"] == pytest.approx(in_all[row["tag"]] / in_all.total())


def test_neuron_classes_follow_their_thresholds(warehouse):
    lenient = warehouse.sql("from neuron_classes_at(0, 0.4, 1.1, 0.2, 0.8, 1.5, 1)").pl()
    detectors = lenient.filter(lenient["class"].str.ends_with("detector"))
    patterns = warehouse.sql("from neuron_patterns where kind = 'word' and support >= 0.4 * k and lift >= 1.1").pl()
    wanted = set()
    for row in patterns.iter_rows(named=True):
        name = "token detector" if len(row["pattern"]) == 1 else "n-gram detector"
        wanted.add((row["scope"], row["layer"], row["neuron"], name))
    assert wanted
    assert set(detectors.select("scope", "layer", "neuron", "class").iter_rows()) == wanted
    positional = lenient.filter(lenient["class"] == "positional")
    samples = warehouse.sql(
        "select corpus, layer, activations, n_tokens from activation_sample "
        "inner join sentence_tokens using (model, checkpoint, corpus, sentence_id)"
    ).pl()
    wanted = {}
    for (corpus, layer), rows in samples.group_by("corpus", "layer"):
        for neuron in range(16):
            values = [activations[neuron] for activations in rows["activations"].to_list()]
            r2 = scipy.stats.pearsonr(values, rows["n_tokens"].to_list()).statistic ** 2
            if r2 >= 0.2:
                wanted[corpus, layer, neuron] = pytest.approx(r2)
    assert wanted
    found = positional.select("scope", "layer", "neuron", "share").iter_rows()
    assert {row[:3]: row[3] for row in found} == wanted
    assert warehouse.sql("from neuron_classes").pl().height <= lenient.height


def test_a_dead_and_a_class_selective_neuron(tmp_path, tiny_bert, add_corpus):
    import torch

    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 60)
    model = load(str(tiny_bert), device="cpu")
    with torch.no_grad():
        model.base.encoder.layer[1].intermediate.dense.weight[5] = 0
        model.base.encoder.layer[1].intermediate.dense.bias[5] = -1
        # 1/6 fires on the token that it likes best and on no other: no sentence's mean is above 0
        probed = Warehouse.create(tmp_path / "probed")
        add_corpus(probed, "one", 60)
        ingest_activations(probed, model, ["one"], Settings(("ffn",), k=5, sample=5))
        query = "select max_token from neuron_stats where layer = 1 and neuron = 6"
        highest = probed.sql(query).fetchall()[0][0]
        before_gelu = scipy.optimize.brentq(lambda z: z * scipy.stats.norm.cdf(z) - highest, 0, 10)
        model.base.encoder.layer[1].intermediate.dense.bias[6] -= before_gelu - 1e-4
    ingest_activations(made, model, ["one"], Settings(("ffn",), k=5, sample=5))
    found = made.sql("select layer, neuron, class, evidence from neuron_classes_at(0, 1, 1, 2, 0.8, 1, 1)").fetchall()
    assert (1, 5, "dead", "highest activation of a token") in found
    figures = made.sql("select max, max_token from neuron_stats where layer = 1 and neuron = 6").fetchall()[0]
    assert figures[0] < 0 < figures[1]
    dead = {(layer, neuron) for layer, neuron, name, _ in found if name == "dead"}
    never = made.sql("select layer, neuron from neuron_stats where max_token <= 0").fetchall()
    assert dead == set(never)
    assert (1, 6) not in dead
    # every document is of 1990
    assert {(layer, neuron) for layer, neuron, name, _ in found if name == "class-selective"} == {
        (layer, neuron) for layer in range(3) for neuron in range(24)
    }


def test_q_of_a_word_is_over_all_neurons_that_were_mined(warehouse):
    """Those in which it is not frequent have p = 1; of several words all are compared."""
    filters = Filters("tiny-bert", "main", "hidden", "one+two", (0, 1), "top", 1, 0.9)
    ((compared,),) = warehouse.sql(
        "select count(distinct (layer, neuron)) from neuron_profiles where site = 'hidden' and pole = 'top' "
        "and layer <= 1 and differ = 1"
    ).fetchall()
    ((word,),) = warehouse.sql(
        "select pattern_text from mined_patterns where site = 'hidden' and scope = 'one+two' and pole = 'top' "
        "and layer <= 1 and kind = 'word' group by all having count(*) < $1 order by max(mined_g2) desc, 1 limit 1",
        [compared],
    ).fetchall()
    rows = warehouse.sql(
        "select layer, neuron, mined_g2, mined_lift from pattern_neurons('word', $1) where site = 'hidden' "
        "and scope = 'one+two' and pole = 'top' and layer <= 1",
        [word],
    ).fetchall()
    assert 0 < len(rows) < compared
    p = [*scipy.stats.chi2.sf([row[2] for row in rows], 1), *[1] * (compared - len(rows))]
    q = scipy.stats.false_discovery_control(p)[: len(rows)]
    want = {row[:2]: of for row, of in zip(rows, q, strict=True) if of <= 0.9 and row[3] >= 1}
    found = queries.search.by_pattern(warehouse, "word", word, filters, 1000).records
    assert {(row["layer"], row["neuron"]): row["q_value"] for row in found} == pytest.approx(want)
    assert 0 < len(want) < len(rows)
    twice = queries.any_word.by_any(warehouse, [word, "nobody"], replace(filters, max_q=max(want.values())), 1000)
    assert 0 < len(twice.rows) < len(want)


def test_a_word_that_no_pattern_has_is_counted_as_a_word(warehouse):
    (*place, word, support), *_ = warehouse.sql(
        "select layer, neuron, word, max(support) from neuron_words as words where corpus = 'one' and pole = 'top' "
        "and not exists (select * from mined_patterns where kind = 'word' and pole = 'top' and scope = 'one+two' "
        "and layer = words.layer and neuron = words.neuron and pattern_text = words.word) group by all order by all"
    ).fetchall()
    neuron = Neuron("tiny-bert", "main", "hidden", *place)
    (found,) = queries.neurons.searched(warehouse, neuron, ["one"], "word", word).records
    assert (found["scope"], found["support"], found["k"], found["share"]) == ("one", support, 20, support / 20)
    assert not queries.neurons.searched(warehouse, neuron, ["one"], "word", f"{word} {word}").rows
    assert not queries.neurons.searched(warehouse, neuron, ["one"], "tag", word).rows


def test_any_of_several_words_is_one_detector(warehouse):
    """Support, recall and AUROC of sentences with any of them, by Python's own search and scikit-learn."""
    assert queries.any_word.alternatives(" king |  old   cat|| ") == ["king", "old cat"]
    filters = Filters("tiny-bert", "main", "hidden", "one+two", (1, 1), "top", 0, 1)
    found = queries.any_word.by_any(warehouse, ["king", "old cat"], filters, 8).records
    assert len(found) == 8
    assert ("king", "old cat") in {tuple(row["words"]) for row in found}
    counted = "semi join sentence_tokens using (sentence_id)"
    words = dict(warehouse.sql(f"select sentence_id, words from annotations {counted}").fetchall())

    def has(sentence_id):
        rest = iter(words[sentence_id])
        return "king" in words[sentence_id] or all(word in rest for word in ("old", "cat"))

    sample = dict(
        warehouse.sql("select sentence_id, activations from activation_sample where layer = 1 order by 1").fetchall()
    )
    whole = sum(map(has, words))
    for row in found:
        top = warehouse.sql(
            "select sentence_id from top_sentences(['one', 'two'], 20) "
            "where layer = 1 and neuron = $1 and pole = 'top'",
            [row["neuron"]],
        ).fetchall()
        support = sum(has(sentence_id) for (sentence_id,) in top)
        assert (row["support"], row["k"], row["scope"]) == (support, 20, "one+two")
        want = (support / 20, support / whole, whole / len(words), support / 20 / (whole / len(words)))
        assert (row["share"], row["recall"], row["corpus_share"], row["lift"]) == pytest.approx(want)
        area = roc_auc_score([has(i) for i in sample], [values[row["neuron"]] for values in sample.values()])
        assert row["auroc"] == pytest.approx(area, abs=0.000501)
        assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    assert [row["auroc"] for row in found] == sorted((row["auroc"] for row in found), reverse=True)


def test_table_2_of_a_neuron(warehouse):
    assert queries.shared_patterns.annotator_of(warehouse, ["one"]) == "trees"
    assert queries.shared_patterns.annotator_of(warehouse, ["three"]) is None
    assert queries.shared_patterns.mined_over(warehouse, NEURON, ["one", "two"]) == [
        ("one+two", "trees"),
        ("two", "trees"),
    ]
    assert queries.shared_patterns.mined_over(warehouse, NEURON, ["one"]) == []
    tables = queries.shared_patterns.tables(warehouse, NEURON, ["one", "two"], 5)
    assert list(tables) == [
        "nouns",
        "verbs",
        "adjectives",
        "word sequences (one+two)",
        "tag sequences (one+two)",
        "subtrees (one+two)",
        "parts of speech",
        "mean length",
    ]
    lenient = queries.shared_patterns.patterns(
        warehouse, NEURON, "one+two", "tag", 500, min_length=1, min_lift=0, max_q=1
    )
    n = warehouse.sql(
        "select count(*) from mined_patterns where layer = 1 and neuron = 4 and kind = 'tag' and scope = 'one+two'"
    ).fetchall()[0][0]
    g2 = [row["mined_g2"] for row in lenient.records]
    assert len(g2) == n
    assert g2 == sorted(g2, reverse=True)
    typical = queries.shared_patterns.typical_words(warehouse, NEURON, ["one"], "trees", 9, min_support=0, max_q=1)
    words = typical.part("class", "noun").records
    assert words
    assert all(row["lift"] > 1 and row["support"] >= 2 for row in words)
    shares = tables["parts of speech"].records
    assert sum(row["share"] for row in shares if row["corpus"] == "one") == pytest.approx(1)
    assert sum(row["corpus_share"] for row in shares if row["corpus"] == "one") == pytest.approx(1)


def test_show_neuron_has_table_2(warehouse, tmp_path):
    with open(tmp_path / "shown.json", "wb") as stream:
        write(NEURON, describe(warehouse, NEURON, [], 3), output.Format.json, stream)
    shown = json.loads((tmp_path / "shown.json").read_text())
    assert {"nouns", "subtrees (one+two)", "parts of speech", "mean length"} <= set(shown)
    assert len(shown["mean length"]) == 4
