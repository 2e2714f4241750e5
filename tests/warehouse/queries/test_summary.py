"""What a neuron is said to be in one line, and what it tells apart, against rows counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.search import Filters
from tests.ingest.labelled_documents import make
from tests.ingest.profiles.test_job import annotate

NEURON = Neuron("tiny-bert", "main", "ffn", 1, 5)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, tiny_bert):
    made = make(tmp_path_factory.mktemp("summary") / "warehouse")
    annotate(made, "one")
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(("ffn",), k=30, sample=90))
    return made


def own(warehouse: Warehouse) -> dict[int, float]:
    rows = warehouse.sql("select sentence_id, activations[6] from activation_sample where layer = 1").fetchall()
    return dict(rows)


@pytest.mark.parametrize("kind", ["metadata", "word"])
def test_two_histograms_hold_every_sampled_sentence_once(warehouse, kind):
    if kind == "metadata":
        about, query = ("topic", "animals"), "select sentence_id from sentence_metadata where key = $1 and value = $2"
    else:
        about, query = ("noun", "a"), "select sentence_id from sentence_words where class = $1 and word = $2"
        about = warehouse.sql("select class, word from neuron_words order by corpus_support desc limit 1").fetchall()[0]
    having = {i for (i,) in warehouse.sql(query, list(about)).fetchall()}
    found = queries.samples.separation(warehouse, NEURON, ["one"], kind, *about).records
    sample = own(warehouse)
    edges = np.linspace(min(sample.values()), max(sample.values()), 25)
    for has in (False, True):
        values = [value for sentence_id, value in sample.items() if (sentence_id in having) == has]
        assert values
        bins = [row for row in found if row["has"] == has]
        assert sum(row["n"] for row in bins) == len(values)
        assert sum(row["share"] for row in bins) == pytest.approx(1)
        counts = np.histogram(values, edges)[0]
        for row in bins:
            place = round((row["low"] - edges[0]) / (edges[1] - edges[0]))
            assert row["low"] == pytest.approx(edges[place], abs=1e-6)
            assert row["n"] == pytest.approx(counts[place], abs=1)  # of a value at an edge, float32 may say otherwise


def test_a_summary_is_of_stored_rows(warehouse):
    found = queries.summary.summary(warehouse, NEURON, ("one",))
    values = queries.neurons.metadata(warehouse, NEURON, ["one"], 1, min_lift=1, max_q=0.05).records
    assert ([found.value] if found.value else []) == values
    ((positive,),) = warehouse.sql("select share_positive from neuron_stats where layer = 1 and neuron = 5").fetchall()
    assert found.positive == pytest.approx(positive)
    assert [row["pole"] for row in found.lengths] == ["top"]


def test_a_value_that_a_neuron_may_detect_no_better_than_chance_is_not_its_summary(warehouse):
    passed_over = 0
    for layer, neuron in warehouse.sql("select layer, neuron from neuron_stats where layer = 1").fetchall():
        place = Neuron("tiny-bert", "main", "ffn", layer, neuron)
        stored = queries.neurons.metadata(warehouse, place, ["one"], 50, min_lift=1.001, max_q=0.05).records
        detected = [row for row in stored if row["auroc_low"] is None or row["auroc_low"] > 0.5]
        found = queries.summary.summary(warehouse, place, ("one",)).value
        assert found == next(iter(detected), None)
        passed_over += stored[:1] != detected[:1]
    assert passed_over


def test_the_words_of_neurons_are_what_they_detect_best(warehouse):
    every = warehouse.sql(
        "select layer, neuron, lower(word), "
        "coalesce(auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96), 0) "
        "from neuron_words where pole = 'top' and class in ('noun', 'verb', 'adjective') "
        "and support >= 3 and lift > 1 and q_value <= 0.05 order by g2 desc, word"
    ).fetchall()
    by_g2: dict[Neuron, dict[str, float]] = {}
    for layer, neuron, word, low in every:
        words = by_g2.setdefault(Neuron("tiny-bert", "main", "ffn", layer, neuron), {})
        words[word] = max(low, words.get(word, 0))  # of its forms and classes
    best = {place: sorted(words, key=lambda word: -words[word])[:3] for place, words in by_g2.items()}
    looked = queries.previews.words(warehouse, list(best), ["one"], 3).records
    assert {Neuron("tiny-bert", "main", "ffn", row["layer"], row["neuron"]): row["words"] for row in looked} == best
    others = [place for place, words in by_g2.items() if list(words)[:3] != best[place]]
    for place in others[:3]:
        found = queries.summary.summary(warehouse, place, ("one",)).words
        assert [row["word"].lower() for row in found] == best[place]
    assert others


def test_where_nothing_is_annotated_nothing_is_said_of_words(tmp_path, tiny_bert, add_corpus):
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 20)
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(("ffn",), k=3, sample=0))
    found = queries.summary.summary(made, NEURON, ("one",))
    assert found.words == []
    assert 0 <= found.positive <= 1


def test_q_of_a_search_is_over_the_neurons_searched(warehouse):
    filters = Filters("tiny-bert", "main", "ffn", layers=(0, 1), pole="top", min_lift=0.5, max_q=0.9)
    found = queries.search.by_metadata(warehouse, "topic", "animals", filters, 1000).records
    rows = warehouse.sql(
        "select layer, neuron, p_value, lift, auroc, g2, support from neuron_metadata where key = 'topic' "
        "and value = 'animals' and pole = 'top' and layer <= 1"
    ).fetchall()
    ((compared,),) = warehouse.sql(
        "select count(*) from neuron_profiles where pole = 'top' and layer <= 1 and differ = 1"
    ).fetchall()
    assert len(rows) == compared  # the commonest values are stored of every neuron
    q = stats.false_discovery_control([row[2] for row in rows])
    want = [
        (row[0], row[1], pytest.approx(of))
        for row, of in sorted(zip(rows, q, strict=True), key=lambda pair: (-pair[0][4], -pair[0][5], pair[0][:2]))
        if row[3] >= 0.5 and of <= 0.9 and row[6]
    ]
    assert [(row["layer"], row["neuron"], row["q_value"]) for row in found] == want
    assert 0 < len(want) < compared


def test_provenance_is_of_the_last_run(warehouse):
    (row,) = queries.summary.provenance(warehouse, NEURON, ["one"]).records
    (run,) = warehouse.sql("select started_at from runs where job = 'activations'").fetchall()
    assert (row["corpus"], row["aggregate"], row["k"], row["dtype"]) == ("one", "mean", 30, "float32")
    assert row["started_at"] == run[0]


def test_forms_that_differ_in_case_are_one_row(warehouse):
    found = queries.shared_patterns.typical_words(
        warehouse, NEURON, ["one"], "toy", 999, min_support=0, max_q=1
    ).records
    stored = warehouse.sql(
        "select class, word, g2 from neuron_words where layer = 1 and neuron = 5 and pole = 'top' and support >= 3 "
        "and lift > 1 and class in ('noun', 'verb', 'adjective')"
    ).fetchall()
    groups: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for of, word, g2 in stored:
        groups.setdefault((of, word.lower()), []).append((-g2, word))
    want = {(of, *[word for _, word in sorted(forms)]) for (of, _), forms in groups.items()}
    assert {(row["class"], row["word"], *row["also"]) for row in found} == want
    assert [row["g2"] for row in found] == sorted((row["g2"] for row in found), reverse=True)
    assert any(row["also"] for row in found)
