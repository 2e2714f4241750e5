"""Tables that pages start from: the rows of the views that they stand for, made ahead of time."""

from __future__ import annotations

from collections import OrderedDict
from math import sin

import pytest

from tests.warehouse.across_rows import Rows
from warehouse import Warehouse, kept, prepared, related_queries, search_queries
from warehouse.errors import StorageError
from warehouse.neurons import Neuron
from warehouse.search_queries import Filters

CLASSES = ("dead", "token detector", "n-gram detector", "positional", "class-selective")
PLACE = {"model": "base", "checkpoint": "main", "site": "hidden"}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    made = Rows().write(tmp_path_factory.mktemp("prepared") / "warehouse")
    unit = {**PLACE, "scope": "news+tweets", "kind": "word", "pole": "top"}
    with made.run("more", unit, {}) as run:  # a word and a sequence that detectors fire on
        rows = made.sql("select * from neuron_patterns").pl().head(2)
        columns = rows.drop(*unit).to_dict(as_series=False)
        columns |= {"length": [1, 2], "support": [7, 8], "pattern": [["it"], ["it", "is"]]}
        run.write("neuron_patterns", unit, {**columns, "pattern_text": ["it", "it is"]})
    for corpus, tokens in Rows().tokens.items():
        unit = {**PLACE, "corpus": corpus}
        ids = sorted(tokens)
        with made.run("sample", unit, {}) as run:
            values = [
                [tokens[i] + layer * (i % 3), 0.0, *(sin(i * neuron + layer) for neuron in range(2, 12))]
                for layer in range(3)
                for i in ids
            ]
            rows = {"layer": [layer for layer in range(3) for _ in ids], "sentence_id": ids * 3, "activations": values}
            run.write("activation_sample", unit, rows)
    return made


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


@pytest.mark.parametrize("wanted", [{}, {"corpus": "news"}, {"model": "tuned", "site": "ffn"}, {"model": "none"}])
def test_class_neurons_are_those_of_the_view(warehouse, wanted):
    where = "".join(f" and {name} = '{value}'" for name, value in wanted.items())
    view = warehouse.sql(f"select * from class_neurons where true{where}")
    found = prepared.class_neurons(warehouse, wanted)
    assert found.column_names == view.columns
    assert sorted(found.to_pylist(), key=repr) == sorted(view.to_arrow_table().to_pylist(), key=repr)
    assert (found.num_rows == 0) == (wanted == {"model": "none"})


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("wanted", [{}, {"scope": "news"}, {"scope": "news+tweets", "model": "base"}])
def test_neurons_of_a_class_are_those_of_the_view(warehouse, name, wanted):
    where = "".join(f" and {column} = '{value}'" for column, value in wanted.items())
    view = warehouse.sql(f"select * from neuron_classes where class = '{name}'{where}").pl()
    found = prepared.neuron_classes(warehouse, name, wanted).to_pylist()
    # a scope of several corpora has words and sequences only
    detectors = name.endswith("detector")
    assert sorted(found, key=repr) == sorted(view.to_dicts(), key=repr)
    if not wanted:
        assert bool(found) == (name != "dead")
    elif wanted["scope"] == "news+tweets":
        assert bool(found) == detectors


def test_searches_are_narrowed_as_before(warehouse):
    filters = Filters("base", "main", "hidden", "news", (1, 2), "top", min_lift=1.1, max_q=0.9)
    found = search_queries.by_metadata(warehouse, "topic", "money", filters, 5)
    view = warehouse.sql(
        "select layer, neuron, share, q_value from class_neurons where key = 'topic' and value = 'money' and "
        "model = 'base' and site = 'hidden' and corpus = 'news' and layer >= 1 and pole = 'top' and lift >= 1.1 and "
        "q_value <= 0.9 order by g2 desc, layer, neuron limit 5"
    ).fetchall()
    assert view
    names = ("layer", "neuron", "share", "q_value")
    assert [tuple(row[name] for name in names) for row in found.records] == view
    assert search_queries.by_metadata(warehouse, "topic", "money", Filters(model="nobody"), 5).rows == []
    assert search_queries.by_class(warehouse, "positional", Filters(scope="news", layers=(2, 2)), 9).rows


def test_similar_neurons_are_those_of_the_macro_neurons_that_are_always_0_left_out(warehouse):
    macro = "from similar_neurons('base', 'main', 'hidden', 1, $1, 99)"
    for neuron, n_others in ((4, 3 * 11 - 1), (1, 0)):
        found = related_queries.similar(warehouse, Neuron(*PLACE.values(), 1, neuron), 99).records
        wanted = warehouse.sql(macro, [neuron]).fetchall()
        assert len(found) == n_others
        assert [(row["layer"], row["neuron"], row["n_sentences"]) for row in found] == [row[:3] for row in wanted]
        assert [row["cosine"] for row in found] == pytest.approx([row[3] for row in wanted])
    assert prepared.sample(warehouse, "base", "main", "ffn") is None  # nothing was sampled


def test_after_preparing_nothing_is_made_any_more(warehouse):
    prepared.prepare(warehouse)
    made = set(kept._kept)
    neuron = Neuron(*PLACE.values(), 1, 2)
    for view in ("corpus_words", "corpus_tags"):
        prepared.counted(warehouse, view, neuron, ["tweets"], "hand")
    related_queries.similar(warehouse, neuron, 3)
    for site in ("hidden", "ffn"):
        filters = Filters(**{**PLACE, "site": site})
        search_queries.by_metadata(warehouse, "topic", "money", filters, 5)
        for name in CLASSES:
            search_queries.by_class(warehouse, name, filters, 5)
    assert set(kept._kept) == made
    assert len(made) >= 2 + 2 + 2 * 2 + 2 * len(CLASSES)


def test_preparing_leaves_errors_to_those_who_ask(warehouse):
    gone = f"{warehouse.storage.uri}/neuron_topk/model=base/checkpoint=main/site=hidden/corpus=news/gone.parquet"
    other = Warehouse(warehouse.storage)
    other.snapshot = {**warehouse.snapshot, "neuron_topk": [gone]}
    prepared.prepare(other)
    with pytest.raises(StorageError, match="nwh verify"):
        search_queries.by_metadata(other, "topic", "money", Filters(), 5)
