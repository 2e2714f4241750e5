"""What pages start from is made ahead of time, and a page can tell that it is under way."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from nwh.warehouse import (
    Warehouse,
    across_queries,
    at_hand,
    kept,
    neuron_queries,
    pair_queries,
    prepared,
    related_queries,
    search_queries,
    table2,
)
from nwh.warehouse.errors import StorageError
from nwh.warehouse.figures import words_of_classes
from nwh.warehouse.neurons import Neuron
from nwh.warehouse.pair_queries import Pair
from nwh.warehouse.search_queries import Filters
from nwh.warehouse.top import top_sentences
from tests.warehouse.across_rows import PAIR, SCOPES, SETS, write_with_sample

PLACE = {"model": "base", "checkpoint": "main", "site": "hidden"}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return write_with_sample(tmp_path_factory.mktemp("prepared") / "warehouse")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


def test_after_preparing_nothing_is_made_any_more(warehouse):
    prepared.prepare(warehouse)
    made = set(kept._kept)
    neuron = Neuron(*PLACE.values(), 1, 2)
    table2.typical_words(warehouse, neuron, ["tweets"], "hand", 5)
    table2.tag_distribution(warehouse, neuron, ["tweets"], "hand")
    neuron_queries.metadata(warehouse, neuron, ["news", "tweets"], 5)
    related_queries.similar(warehouse, neuron, ["news"], 3)
    for site in ("hidden", "ffn"):
        filters = Filters(**{**PLACE, "site": site})
        search_queries.by_metadata(warehouse, "topic", "money", filters, 5)
        for name in at_hand.CLASSES:
            search_queries.by_class(warehouse, name, filters, 5)
    for scope in SCOPES:
        across_queries.cluster_profile(warehouse, *PLACE.values(), scope, 1, 2, across_queries.PROFILE_ROWS)
    for corpus, split in SETS:
        pair_queries.moved_neurons(warehouse, Pair(*PAIR), corpus, split, pair_queries.MOVED_ROWS)
    for corpus in ("news", "tweets"):
        words_of_classes(warehouse, corpus)
        top_sentences(warehouse, {**PLACE, "corpus": corpus})
    assert set(kept._kept) == made
    models = {value for key in made for value in key[1:] if value in (("model", "base"), ("model", "tuned"))}
    assert len(models) == 2


def test_pages_can_tell_what_is_prepared(warehouse, monkeypatch):
    seen, steps = [], prepared.steps

    def watched(aside):
        for what, make in steps(aside):
            seen.append(what)
            yield what, lambda what=what, make=make: make() if prepared.under_way(warehouse) == what else seen.clear()

    monkeypatch.setattr(prepared, "steps", watched)
    assert prepared.under_way(warehouse) is None
    prepared.prepare(warehouse)
    assert {"sampled activations of hidden", "words of corpus tweets", "dead neurons of ffn"} < set(seen)
    assert prepared.under_way(warehouse) is None

    def broken(aside):
        yield "what cannot be read", lambda: aside.connection.execute("from nothing")

    monkeypatch.setattr(prepared, "steps", broken)
    prepared.prepare(warehouse)
    assert prepared.under_way(warehouse) is None


def test_preparing_ends_before_what_was_made_first_has_to_go(warehouse, monkeypatch):
    monkeypatch.setattr(prepared, "MOST_BYTES", 1)
    prepared.prepare(warehouse)
    assert [key[0] for key in kept._kept] == ["sample"]


def test_preparing_leaves_errors_to_those_who_ask(warehouse):
    gone = f"{warehouse.storage.uri}/neuron_topk/model=base/checkpoint=main/site=hidden/corpus=news/gone.parquet"
    other = Warehouse(warehouse.storage)
    other.snapshot = {**warehouse.snapshot, "neuron_topk": [gone]}
    prepared.prepare(other)
    with pytest.raises(StorageError, match="nwh verify"):
        search_queries.by_metadata(other, "topic", "money", Filters(), 5)
