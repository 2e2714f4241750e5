"""Tables that many answers start from: the rows of the views that they stand for."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from nwh.warehouse import at_hand, kept, related_queries, search_queries
from nwh.warehouse.neurons import Neuron
from nwh.warehouse.search_queries import Filters
from tests.warehouse.across_rows import write_with_sample

CLASSES = ("dead", "token detector", "n-gram detector", "positional", "class-selective")
PLACE = {"model": "base", "checkpoint": "main", "site": "hidden"}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return write_with_sample(tmp_path_factory.mktemp("at_hand") / "warehouse")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


@pytest.mark.parametrize("wanted", [{}, {"corpus": "news"}, {"model": "tuned", "site": "ffn"}, {"model": "none"}])
def test_class_neurons_are_those_of_the_view(warehouse, wanted):
    where = "".join(f" and {name} = '{value}'" for name, value in wanted.items())
    view = warehouse.sql(f"select * from class_neurons where true{where}")
    found = at_hand.class_neurons(warehouse, wanted)
    assert found.column_names == view.columns
    assert sorted(found.to_pylist(), key=repr) == sorted(view.to_arrow_table().to_pylist(), key=repr)
    assert (found.num_rows == 0) == (wanted == {"model": "none"})


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("wanted", [{}, {"scope": "news"}, {"scope": "news+tweets", "model": "base"}])
def test_neurons_of_a_class_are_those_of_the_view(warehouse, name, wanted):
    where = "".join(f" and {column} = '{value}'" for column, value in wanted.items())
    view = warehouse.sql(f"select * from neuron_classes where class = '{name}'{where}").pl()
    found = at_hand.neuron_classes(warehouse, name, wanted).to_pylist()
    # a scope of several corpora has words and sequences only
    detectors = name.endswith("detector")
    assert sorted(found, key=repr) == sorted(view.to_dicts(), key=repr)
    if not wanted:
        assert bool(found) == (name != "dead")
    elif wanted["scope"] == "news+tweets":
        assert bool(found) == detectors


def test_searches_are_narrowed_as_before(warehouse):
    numbers = set()
    for min_lift, max_q in ((0, 1), (1.1, 1), (0, 0.7), (1.1, 0.9)):
        filters = Filters("base", "main", "hidden", "news", (1, 2), "top", min_lift=min_lift, max_q=max_q)
        found = search_queries.by_metadata(warehouse, "topic", "money", filters, 99)
        view = warehouse.sql(
            "select layer, neuron, share, q_value from class_neurons where key = 'topic' and value = 'money' and "
            "model = 'base' and site = 'hidden' and corpus = 'news' and layer >= 1 and pole = 'top' and "
            f"lift >= {min_lift} and q_value <= {max_q} order by g2 desc, layer, neuron"
        ).fetchall()
        names = ("layer", "neuron", "share", "q_value")
        assert [tuple(row[name] for name in names) for row in found.records] == view
        numbers.add(len(view))
    assert len(numbers) > 1
    assert 0 not in numbers
    assert search_queries.by_metadata(warehouse, "topic", "money", Filters(model="nobody"), 5).rows == []
    assert search_queries.by_class(warehouse, "positional", Filters(scope="news", layers=(2, 2)), 9).rows


def test_similar_neurons_are_those_of_the_macro_neurons_that_do_not_vary_left_out(warehouse):
    macro = "from similar_neurons('base', 'main', 'hidden', 1, $1, 99, corpora := $2)"
    numbers = set()
    for neuron, corpora in ((4, ["news", "tweets"]), (4, ["tweets"]), (1, ["news", "tweets"]), (4, ["none"])):
        found = related_queries.similar(warehouse, Neuron(*PLACE.values(), 1, neuron), corpora, 99).records
        wanted = warehouse.sql(macro, [neuron, corpora]).fetchall()
        n_others = 3 * 11 - 1 if neuron == 4 and corpora != ["none"] else 0
        numbers |= {row["n_sentences"] for row in found}
        assert len(found) == n_others
        assert [(row["layer"], row["neuron"], row["n_sentences"]) for row in found] == [row[:3] for row in wanted]
        assert [row["correlation"] for row in found] == pytest.approx([row[3] for row in wanted])
    assert len(numbers) == 2
    assert at_hand.sample(warehouse, "base", "main", "ffn") is None  # nothing was sampled
