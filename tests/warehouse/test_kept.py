"""What is computed once in a process: made once, by one thread, again when a file is another, never too much."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from nwh.warehouse import Warehouse, kept


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


def test_threads_that_ask_for_the_same_wait_for_one():
    begun, go_on, made = Event(), Event(), []

    def make():
        begun.set()
        go_on.wait(5)
        made.append(1)
        return np.zeros(3)

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(kept.kept, ("a",), make) for _ in range(4)]
        assert begun.wait(5)
        other = threads.submit(kept.kept, ("b",), lambda: np.ones(1))
        go_on.set()
        results = [future.result(5) for future in asked]
        assert other.result(5).tolist() == [1]
    assert made == [1]
    assert all(result is results[0] for result in results)


def test_what_fails_is_made_again():
    def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            kept.kept(("a",), fail)
    assert kept.kept(("a",), lambda: np.zeros(1)).tolist() == [0]


def test_what_was_not_asked_for_longest_goes_first(monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 250)
    made = []

    def ask(name, size=100):
        kept.kept((name,), lambda: made.append(name) or np.zeros(size, np.uint8))

    for name in ("a", "b", "a", "c", "a", "b"):  # c pushes b out, b then c
        ask(name)
    assert made == ["a", "b", "c", "b"]
    ask("large", 999)  # kept all the same, alone
    ask("large")
    ask("a")
    assert made == ["a", "b", "c", "b", "large", "a"]


def write_tokens(warehouse, corpus, n, model="m"):
    unit = {"model": model, "checkpoint": "main", "corpus": corpus}
    with warehouse.run("test", unit, {}) as run:
        run.write("sentence_tokens", unit, {"sentence_id": range(n), "n_tokens": [5] * n})


def test_a_table_is_made_again_when_a_file_it_reads_is_another(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    for corpus in ("a", "b"):
        write_tokens(warehouse, corpus, 3)
    query = "select count(*) as n, any_value(now) as now from sentence_tokens cross join at_hand where corpus = $corpus"
    asked = []

    def count(corpus):
        import pyarrow as pa

        tables = {"at_hand": lambda: asked.append(corpus) or pa.table({"now": [len(asked)]})}
        unit = {"corpus": corpus, "model": "m"}
        return kept.table(warehouse, query, {"corpus": corpus}, ["sentence_tokens"], unit, tables)["n"].to_pylist()

    assert [count("a"), count("b"), count("a")] == [[3], [3], [3]]
    write_tokens(warehouse, "b", 4)
    write_tokens(warehouse, "a", 9, model="other")  # not of the unit: what was made stands
    assert [count("a"), count("b")] == [[3], [4]]
    assert asked == ["a", "b", "b"]


def test_partitions_are_those_that_hold_rows(tmp_path):
    warehouse = Warehouse.create(tmp_path)
    for model, corpus in (("m", "a"), ("m", "b"), ("n", "a")):
        write_tokens(warehouse, corpus, 3, model)
    found = kept.partitions(warehouse, "sentence_tokens", {"corpus": "a", "kind": "word"})
    assert sorted(row["model"] for row in found) == ["m", "n"]
    assert {(row["checkpoint"], row["corpus"]) for row in found} == {("main", "a")}
    assert len(list(kept.files(warehouse, "sentence_tokens", {}))) == 3
    assert kept.partitions(warehouse, "neuron_topk", {}) == []
