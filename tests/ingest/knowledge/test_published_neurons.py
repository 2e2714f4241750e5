"""Published lists of neurons: stored as they are, or refused by name before anything is stored."""

from __future__ import annotations

import json

import pytest

from nwh.ingest.knowledge.published_neurons import ingest_published_neurons
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.upkeep.verify import verify


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "warehouse")


@pytest.fixture
def write(tmp_path):
    def to(content):
        path = tmp_path / "neurons.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return to


def rows(warehouse):
    return warehouse.sql("from published_neurons order by all").fetchall()


def add_checkpoint(warehouse, n_layers=12, d_ffn=3072):
    names = {"model": "bert-base-uncased", "checkpoint": "main"}
    row = {"series": "bert-base-uncased", "seed": None, "step": None, "source": "x", "revision": None}
    row |= {"hidden_hooks": None, "ffn_hooks": None, "family": "bert", "objective": "mlm", "n_layers": n_layers}
    row |= {
        "d_model": 768,
        "d_ffn": d_ffn,
        "vocab_size": 9,
        "n_parameters": 9,
        "weights_sha256": "x",
        "family_description": None,
    }
    with warehouse.run("test", names, {}) as run:
        run.write("checkpoints", names, {name: [value] for name, value in row.items()})


def test_lists_become_rows_and_repeats_one_row(warehouse, write):
    add_checkpoint(warehouse)
    path = write({"uuid-b": [[11, 3071], [9, 5], [9, 5]], "uuid-a": [[0, 0]], "uuid-c": []})
    run = ingest_published_neurons(warehouse, path, model="google/BERT-base-uncased", dataset="dai")
    unit = ("bert-base-uncased", "main", "dai")
    assert rows(warehouse) == [(*unit, "uuid-a", 0, 0), (*unit, "uuid-b", 9, 5), (*unit, "uuid-b", 11, 3071)]
    assert run.notes == ["3 neurons of 3 concepts; 1 concepts have none and no row"]
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    ingest_published_neurons(warehouse, write({"d": [[1, 1]]}), model="bert-base-uncased", dataset="dai")
    assert rows(warehouse) == [(*unit, "d", 1, 1)]


def test_numbers_are_not_checked_against_a_model_that_is_not_stored(warehouse, write):
    run = ingest_published_neurons(warehouse, write({"a": [[99, 99_999]]}), model="bert-base-uncased", dataset="dai")
    assert any("could not be checked" in note for note in run.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no lists of neurons"),
        ("{}", "holds no lists of neurons"),
        ({"a": [[1, 1]], "b": 3}, "'b': not a list"),
        ({"a": [[1, 1], [1]]}, r"'a': \[1\] is not \[layer, neuron\]"),
        ({"a": [[1, 1.5]]}, r"\[1, 1.5\] is not"),
        ({"a": [[1, True]]}, r"\[1, true\] is not"),
        ({"a": [[-1, 1]]}, r"\[-1, 1\] is not"),
        ({"a": [["1", 1]]}, r'\["1", 1\] is not'),
        ({"a": [[12, 0]]}, r"no neuron \[12, 0\]; the model has 12 layers of 3,072 neurons"),
        ({"a": [[0, 3072]]}, r"no neuron \[0, 3072\]"),
        ('{"a": [[1, 1]], "a": [[2, 2]]}', "'a' is there twice"),
    ],
)
def test_what_is_no_list_of_neurons_is_refused_whole(warehouse, write, content, message):
    add_checkpoint(warehouse)
    with pytest.raises(SourceError, match=message):
        ingest_published_neurons(warehouse, write(content), model="bert-base-uncased", dataset="dai")
    assert rows(warehouse) == []


def test_wrong_use(warehouse, write, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        ingest_published_neurons(warehouse, str(tmp_path / "nowhere"), model="m", dataset="dai")
    with pytest.raises(UsageError, match="data set name"):
        ingest_published_neurons(warehouse, write({"a": [[1, 1]]}), model="m", dataset="a b")
