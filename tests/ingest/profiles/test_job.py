"""Job `profiles` against a recount in plain Python, and when it runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.ingest.profiles.job import ingest_profiles, possible_profiles
from nwh.warehouse import Warehouse
from tests.conftest import copied

UNIT = ("model", "checkpoint", "site", "corpus")


def annotate(warehouse: Warehouse, corpus: str, annotator: str = "toy") -> None:
    """Tag words by their length, which makes several classes."""
    tags = ["DT", "NN", "VBZ", "JJ", "NNS", "RB"]
    rows = warehouse.sql("select sentence_id, text from sentences where corpus = $1 order by 1", [corpus]).fetchall()
    words = [text.replace(".", " .").split() for _, text in rows]
    unit = {"corpus": corpus, "annotator": annotator}
    n = len(rows)
    with warehouse.run("annotations", unit, {"text_sha256": text_of(warehouse, corpus)}) as run:
        run.write(
            "annotations",
            unit,
            {
                "sentence_id": [sentence_id for sentence_id, _ in rows],
                "words": words,
                "tags": [[tags[len(word) % 6] for word in of] for of in words],
                "tree": [None] * n,
                "tree_kind": [None] * n,
            },
        )


def text_of(warehouse: Warehouse, corpus: str) -> str:
    (found,) = warehouse.sql("select settings ->> 'text_sha256' from corpora where corpus = $1", [corpus]).fetchall()
    return found[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert, add_corpus):
    warehouse = Warehouse.create(tmp_path_factory.mktemp("profiles") / "warehouse")
    for i, corpus in enumerate(("one", "two")):
        add_corpus(warehouse, corpus, n=60, seed=i)
    ingest_activations(warehouse, load(str(tiny_bert)), ["one", "two"], Settings(k=20))
    annotate(warehouse, "one")
    ingest_profiles(warehouse)
    return warehouse


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored.storage.uri, tmp_path / "warehouse")


def members(warehouse, corpus):
    """Return (site, layer, neuron, pole) -> sentence ids, poles whose sentences tie left out."""
    found: dict[tuple, list] = {}
    for *key, sentence_id, activation in warehouse.sql(
        "select site, layer, neuron, pole, sentence_id, activation from neuron_topk where corpus = $1", [corpus]
    ).fetchall():
        found.setdefault(tuple(key), []).append((sentence_id, activation))
    return {
        key: [sentence_id for sentence_id, _ in rows]
        for key, rows in found.items()
        if len({activation for _, activation in rows}) > 1
    }


def p_of(support, k, whole, n):
    table = np.array([[support, k - support], [whole - support, n - k - whole + support]])
    if (table.sum(axis=0) == 0).any() or (table.sum(axis=1) == 0).any():
        return 1.0
    if stats.contingency.expected_freq(table).min() < 1:
        return stats.fisher_exact(table).pvalue
    return stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").pvalue


@pytest.mark.parametrize("corpus", ["one", "two"])
def test_metadata_is_that_of_a_recount(stored, corpus):
    counted = {
        i for (i,) in stored.sql("select sentence_id from sentence_tokens where corpus = $1", [corpus]).fetchall()
    }
    has: dict[int, set] = {i: set() for i in counted}
    for i, key, value in stored.sql(
        "select sentence_id, key, value from sentence_metadata where corpus = $1", [corpus]
    ).fetchall():
        if i in counted:
            has[i].add((key, value))
    whole = Counter(item for items in has.values() for item in items)
    rows = {
        tuple(row[:6]): row[6:]
        for row in stored.sql(
            "select site, layer, neuron, pole, key, value, support, k, share, corpus_share, lift, p_value, q_value, "
            "n_tested, place from neuron_metadata where corpus = $1",
            [corpus],
        ).fetchall()
    }
    of_poles = members(stored, corpus)
    assert len(rows) == len(of_poles) * len(whole)  # fewer than 50 values of each key
    for pole, ids in of_poles.items():
        own = Counter(item for i in ids for item in has[i])
        n, k = len(counted), len(ids)
        p = {item: p_of(own[item], k, whole[item], n) for item in whole}
        q = dict(zip(p, stats.false_discovery_control(list(p.values())), strict=True))
        for item in whole:
            support, size, share, corpus_share, lift, p_value, q_value, tested, place = rows[(*pole, *item)]
            assert (support, size, tested) == (own[item], k, len(whole))
            better = [other for other in whole if other[0] == item[0] and (-own[other], other) < (-own[item], item)]
            assert place == 1 + len(better)
            want = (own[item] / k, whole[item] / n, own[item] / k / (whole[item] / n), p[item], q[item])
            assert (share, corpus_share, lift, p_value, q_value) == pytest.approx(want, rel=1e-6, abs=1e-12)


def test_words_are_those_of_a_recount(stored):
    ids = {i for (i,) in stored.sql("select sentence_id from sentence_tokens where corpus = 'one'").fetchall()}
    n, has = len(ids), {}
    for i, words, tags in stored.sql(
        "select sentence_id, words, tags from annotations where corpus = 'one'"
    ).fetchall():
        has[i] = {(tag[:2], word) for word, tag in zip(words, tags, strict=True) if word != "."}
    of_class = {"DT": "determiner", "NN": "noun", "VB": "verb", "JJ": "adjective", "RB": "adverb"}
    whole = Counter((of_class[tag], word) for i in ids for tag, word in has[i])
    rows: dict[tuple, dict] = {}
    for *pole, of, word, support, k, corpus_support, p_value, q_value, tested in stored.sql(
        "select site, layer, neuron, pole, class, word, support, k, corpus_support, p_value, q_value, n_tested "
        "from neuron_words where corpus = 'one'"
    ).fetchall():
        rows.setdefault(tuple(pole), {})[(of, word)] = (support, k, corpus_support, p_value, q_value, tested)
    of_poles = members(stored, "one")
    assert set(rows) == set(of_poles)
    for pole, members_of in of_poles.items():
        own = Counter((of_class[tag], word) for i in members_of for tag, word in has[i])
        k = len(members_of)
        q: dict = {}
        for of in of_class.values():
            p = {item: p_of(own[item], k, whole[item], n) if item in own else 1 for item in whole if item[0] == of}
            if p:
                corrected = stats.false_discovery_control(list(p.values()))
                q |= {item: (p[item], corrected[i], len(p)) for i, item in enumerate(p)}
        want = {item: (own[item], k, whole[item], *q[item]) for item in own if own[item] >= 2}
        assert rows[pole].keys() == want.keys()
        for item, values in want.items():
            assert rows[pole][item] == pytest.approx(values, rel=1e-6, abs=1e-12)
    of_corpus = stored.sql("select class, word, corpus_support, n_sentences, n_tested from corpus_words").fetchall()
    in_class = Counter(of for of, _ in whole)
    assert sorted(of_corpus) == sorted((*item, support, n, in_class[item[0]]) for item, support in whole.items())


def test_tags_and_lengths_are_those_of_a_recount(stored):
    rows = stored.sql(
        "select sentence_id, tags, words, n_tokens, n_words from annotations inner join sentence_tokens using "
        "(corpus, sentence_id) inner join sentences using (corpus, sentence_id) where corpus = 'one'"
    ).fetchall()
    tags_of = {i: Counter(t for t, w in zip(tags, words, strict=True) if w != ".") for i, tags, words, _, _ in rows}
    length = {i: (n_tokens, n_words) for i, _, _, n_tokens, n_words in rows}
    whole = sum(tags_of.values(), Counter())
    found: dict[tuple, dict] = {}
    for *pole, tag, words, share, corpus_share in stored.sql(
        "select site, layer, neuron, pole, tag, words, share, corpus_share from neuron_tag_distribution"
    ).fetchall():
        found.setdefault(tuple(pole), {})[tag] = (words, share, corpus_share)
    of_poles = members(stored, "one")
    assert set(found) == set(of_poles)
    for pole, ids in of_poles.items():
        own = sum((tags_of[i] for i in ids), Counter())
        want = {tag: (own[tag], own[tag] / own.total(), whole[tag] / whole.total()) for tag in whole}
        for tag, values in want.items():
            assert found[pole][tag] == pytest.approx(values)
    for *pole, k, differ, mean_tokens, mean_words in stored.sql(
        "select site, layer, neuron, pole, k, differ, mean_tokens, mean_words from neuron_profiles where corpus = 'one'"
    ).fetchall():
        assert bool(differ) == (tuple(pole) in of_poles)
        if differ:
            ids = of_poles[tuple(pole)]
            want_means = np.array([length[i] for i in ids]).mean(axis=0)
            assert (k, mean_tokens, mean_words) == pytest.approx((len(ids), *want_means))


def test_length_r2_is_the_squared_correlation(stored):
    sample = stored.sql(
        "select n_tokens, activations from activation_sample inner join sentence_tokens using "
        "(model, checkpoint, corpus, sentence_id) where corpus = 'two' and site = 'ffn' and layer = 1"
    ).fetchall()
    lengths = [n for n, _ in sample]
    for neuron, r2 in stored.sql(
        "select neuron, length_r2 from neuron_profiles where corpus = 'two' and site = 'ffn' and layer = 1 "
        "and pole = 'top' order by 1"
    ).fetchall():
        activations = [values[neuron] for _, values in sample]
        if np.ptp(activations) == 0:
            assert r2 is None
        else:
            assert r2 == pytest.approx(np.corrcoef(lengths, activations)[0, 1] ** 2, rel=1e-6)


def test_neuron_samples_are_the_sample_by_neuron(stored):
    sample = stored.sql(
        "select site, corpus, layer, activations from activation_sample order by sentence_id"
    ).fetchall()
    wanted: dict[tuple, list] = {}
    for *place, activations in sample:
        for neuron, activation in enumerate(activations):
            wanted.setdefault((*place, neuron), []).append(activation)
    found = stored.sql(
        "select site, corpus, layer, neuron, n_sampled, mean, std, activations from neuron_samples"
    ).fetchall()
    assert {tuple(row[:4]): row[7] for row in found} == wanted
    for row in found:
        assert row[4:7] == pytest.approx((len(row[7]), np.mean(row[7]), np.std(row[7])), rel=1e-9)


def test_files_of_neuron_samples_hold_activations_as_they_are(stored):
    """Decompressing them took a third of the time of `similar_neurons`, for 15 % fewer bytes."""
    path, *_ = Path(str(stored.storage)).rglob("neuron_samples/**/*.parquet")
    of_file = pq.ParquetFile(path).metadata.row_group(0)
    columns = {column.path_in_schema: column for column in map(of_file.column, range(of_file.num_columns))}
    activations = columns["activations.list.element"]
    assert (activations.compression, set(activations.encodings)) == ("UNCOMPRESSED", {"PLAIN", "RLE"})
    assert columns["mean"].compression == "ZSTD"


@pytest.mark.parametrize("relation", ["neuron_metadata", "neuron_words"])
def test_neurons_as_detectors_are_those_of_scikit_learn(stored, relation):
    """Over neuron_samples, with what each sentence has taken from the corpus."""
    if relation == "neuron_words":
        names, of_corpus = "word, class", "select word, class, sentence_id from sentence_words"
    else:
        names, of_corpus = "value, key", "select value, key, sentence_id from sentence_metadata"
    having: dict[tuple, set] = {}
    for *item, sentence_id in stored.sql(of_corpus).fetchall():
        having.setdefault(tuple(item), set()).add(sentence_id)
    document = dict(stored.sql("select sentence_id, corpus || doc_id from sentences").fetchall())
    sampled = stored.sql("select distinct corpus, sentence_id from activation_sample order by all").fetchall()
    activations = {
        tuple(place): values
        for *place, values in stored.sql(
            "select site, corpus, layer, neuron, activations from neuron_samples"
        ).fetchall()
    }
    of_poles = {corpus: members(stored, corpus) for corpus in ("one", "two")}
    rows = stored.sql(
        f"select site, corpus, layer, neuron, pole, {names}, documents, auroc, sample_support, n_sampled "
        f"from {relation} where layer = 1 and neuron < 12 order by all"
    ).fetchall()
    checked = 0
    for site, corpus, layer, neuron, pole, name, family, documents, auroc, n_with, n in rows:
        has = [sentence_id in having[name, family] for of, sentence_id in sampled if of == corpus]
        assert (n_with, n) == (sum(has), len(has))
        top = set(of_poles[corpus][site, layer, neuron, pole]) & having[name, family]
        assert documents == len({document[sentence_id] for sentence_id in top})
        assert (auroc is None) == (min(n_with, n - n_with) < 5)
        if auroc is not None:
            sign = 1 if pole == "top" else -1
            want = roc_auc_score(has, [sign * value for value in activations[site, corpus, layer, neuron]])
            assert auroc == pytest.approx(want, abs=0.000501)
            checked += 1
    assert checked > 100


def test_what_is_there_is_left_alone_and_what_has_changed_is_made_anew(warehouse):
    units = [unit for unit, _ in possible_profiles(warehouse)]
    assert len(units) == 2 * 3  # two sites of one (with words) and two
    assert ingest_profiles(warehouse) == []
    annotate(warehouse, "two")
    made = ingest_profiles(warehouse)
    assert {(run.unit["corpus"], run.unit.get("annotator")) for run in made} == {("two", "toy")}
    before = warehouse.sql("select * from neuron_words order by all").fetchall()
    assert len(ingest_profiles(warehouse, corpora=["one"], again=True)) == 4
    assert warehouse.sql("select * from neuron_words order by all").fetchall() == before
    annotate(warehouse, "one")  # another run: the words may be others
    assert [run.unit["annotator"] for run in ingest_profiles(warehouse)] == ["toy", "toy"]


def test_a_value_that_no_counted_sentence_has_has_no_rows(tmp_path):
    unit, place = {"corpus": "a"}, {"model": "m", "checkpoint": "main", "corpus": "a"}
    made, ids, n = Warehouse.create(tmp_path / "w"), np.arange(20), 20
    with made.run("test", unit, {}) as run:
        columns = {"doc_id": ["d"] * n, "position": ids, "text": ["w"] * n, "n_words": np.full(n, 3, "i4")}
        run.write("sentences", unit, {"sentence_id": ids, **columns})
        values = ["short"] + ["long"] * (n - 1)  # the first sentence is too short to count
        run.write("sentence_metadata", unit, {"sentence_id": ids, "key": ["length"] * n, "value": values})
        run.write("sentence_tokens", place, {"sentence_id": ids[1:], "n_tokens": np.full(n - 1, 3, "i4")})
        rows = {"layer": [0] * 5, "neuron": [0] * 5, "pole": ["top"] * 5, "rank": range(1, 6)}
        rows |= {"sentence_id": ids[1:6], "activation": np.linspace(1, 0, 5), "token_position": [None] * 5}
        run.write("neuron_topk", {**place, "site": "ffn"}, rows)
    ingest_profiles(made)
    found = made.sql("select value, support, corpus_support, lift, n_tested from neuron_metadata").fetchall()
    assert found == [("long", 5, 19, 1.0, 1)]


def test_bounds_of_an_area_are_roots_of_newcombes_equation(stored):
    rows = stored.sql(
        "select distinct auroc, auroc_low, auroc_high, sample_support, n_sampled - sample_support from neuron_metadata"
    ).fetchall()
    assert all((low is None) == (area is None) == (high is None) for area, low, high, *_ in rows)

    def bound(area, n_with, n_without, end):
        def equation(b):
            u = b * (1 - b)
            spread = u * (2 + u + ((n_with + n_without) / 2 - 1) * (1 + 2 * u)) / (n_with * n_without)
            return (area - b) ** 2 * (2 + u) - 1.96**2 * spread

        return optimize.brentq(equation, area, end)

    known = [row for row in rows if row[0] is not None and 0 < row[0] < 1]
    assert len(known) > 20
    for area, low, high, *n in known:
        assert (low, high) == pytest.approx((bound(area, *n, 0), bound(area, *n, 1)), abs=0.000501)
