"""Metadata values counted from arrays of top sentences: the rows of the view, which counts in SQL."""

from __future__ import annotations

from collections import OrderedDict
from random import Random

import numpy as np
import pytest

from nwh.warehouse import Warehouse, at_hand, kept, top

UNIT = {"model": "m", "checkpoint": "main", "site": "ffn"}
FIRST, N, K, LAYERS, WIDTH = 5000, 60, 9, 2, 4


def write(made, corpus, apart):
    """Write a corpus of sentences of which one has no value and some have several; neuron (1, 2) is dead."""
    random, unit = Random(1), {**UNIT, "corpus": corpus}
    ids = range(FIRST, FIRST + N * apart, apart)
    topics = {i: random.sample(["a=b", "b", "c", "é"], random.randint(1, 3)) for i in ids if i != ids[3]}
    values = [(i, "topic", topic) for i, of in topics.items() for topic in of]
    values += [(i, "half", str(i // apart % 2)) for i in ids[1:]]
    sentence_id, key, value = map(list, zip(*values, strict=True))
    tokens = {name: unit[name] for name in ("model", "checkpoint", "corpus")}
    columns = {name: [] for name in ("layer", "neuron", "pole", "rank", "sentence_id", "activation")}
    for pole in ("bottom", "top"):
        for place in range(LAYERS * WIDTH):
            columns["layer"] += [place // WIDTH] * K
            columns["neuron"] += [place % WIDTH] * K
            columns["pole"] += [pole] * K
            columns["rank"] += range(1, K + 1)
            columns["sentence_id"] += random.sample(ids, K)
            columns["activation"] += [0.0] * K if place == 6 else [1.0 / rank for rank in range(1, K + 1)]
    with made.run("test", unit, {}) as run:
        about = {"sentence_id": sentence_id, "key": key, "value": value}
        run.write("sentence_metadata", {"corpus": corpus}, about)
        run.write("sentence_tokens", tokens, {"sentence_id": ids, "n_tokens": [5] * N})
        run.write("neuron_topk", unit, {**columns, "token_position": [None] * len(columns["rank"])})


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    made = Warehouse.create(tmp_path_factory.mktemp("top"))
    write(made, "near", 1)
    write(made, "far", 3000)
    return made


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


@pytest.mark.parametrize("size", ["kept", "a few at a time", "too many"])
@pytest.mark.parametrize("corpus", ["near", "far"])
def test_supports_are_those_of_the_view(warehouse, monkeypatch, corpus, size):
    unit = {**UNIT, "corpus": corpus}
    if size == "too many":
        monkeypatch.setattr(top, "MOST_BYTES", 4)
    elif size == "a few at a time":
        monkeypatch.setattr(top, "_AT_ONCE", 3 * K)
    view = warehouse.sql("select * from metadata_supports where corpus = $1", [corpus])
    found = top.metadata_supports(warehouse, unit)
    of = top.top_sentences(warehouse, unit)
    assert (of is None) == (size == "too many")
    assert of is None or of.places.dtype == (np.uint16 if corpus == "near" else np.int32)
    assert found.column_names == view.columns
    rows = found.to_pylist()
    assert sorted(map(repr, rows)) == sorted(map(repr, view.to_arrow_table().to_pylist()))
    assert {row["pole"] for row in rows} == {"top", "bottom"}
    assert {(row["layer"], row["neuron"]) for row in rows} == {divmod(i, WIDTH) for i in range(8) if i != 6}


def test_classes_made_of_them_are_those_of_the_view(warehouse):
    found = at_hand.class_neurons(warehouse, UNIT).to_pylist()
    view = warehouse.sql("select * from class_neurons").to_arrow_table().to_pylist()
    assert sorted(map(repr, found)) == sorted(map(repr, view))
    assert len(found) == 2 * 7 * 2 * 2


def test_a_corpus_without_metadata_has_no_supports(tmp_path):
    made, unit = Warehouse.create(tmp_path), {**UNIT, "corpus": "a"}
    columns = {"layer": [0, 0], "neuron": [0, 0], "pole": ["top", "bottom"], "rank": [1, 1], "sentence_id": [1, 2]}
    with made.run("test", unit, {}) as run:
        run.write("neuron_topk", unit, {**columns, "activation": [1.0, 0.5], "token_position": [None, None]})
    assert top.metadata_supports(made, unit).num_rows == 0
    assert top.metadata_supports(made, {**unit, "corpus": "none"}).num_rows == 0
