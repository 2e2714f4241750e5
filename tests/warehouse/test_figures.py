"""Figures made of kept top sentences: those of the view, whether they are kept, too many, or not as many of each."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from nwh.warehouse import Warehouse, figures, kept, top
from tests.warehouse.across_rows import Rows


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return Rows(2).write(tmp_path_factory.mktemp("figures") / "warehouse")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", OrderedDict())


def by_neuron(table):
    return {(row["layer"], row["neuron"]): row["value"] for row in table.to_pylist()}


@pytest.mark.parametrize("size", ["kept", "too many"])
@pytest.mark.parametrize("place", [("base", "main", "hidden", "news"), ("tuned", "step9", "ffn", "tweets")])
def test_values_are_those_of_the_view(warehouse, monkeypatch, size, place):
    if size == "too many":
        monkeypatch.setattr(top, "MOST_BYTES", 4)
    model, checkpoint, site, corpus = place
    unit = f"model = '{model}' and checkpoint = '{checkpoint}' and site = '{site}' and corpus = '{corpus}'"
    there = {name for (name,) in warehouse.sql(f"select distinct figure from neuron_figures where {unit}").fetchall()}
    assert {"mean", "mean_tokens", "mean_words", "share:topic=money"} < there
    assert ("verbs" in there) == (corpus == "tweets")
    for figure in sorted(there):
        view = warehouse.sql(f"select * from neuron_figures_of($1) where {unit}", [figure])
        found = figures.values(warehouse, *place, figure)
        assert found.column_names == view.columns
        assert by_neuron(found) == pytest.approx(by_neuron(view.to_arrow_table()))
        assert len(by_neuron(found)) == found.num_rows > 0
    for figure in ("share:topic=nobody", "nothing"):
        assert figures.values(warehouse, *place, figure).num_rows == 0
    assert figures.values(warehouse, "nobody", *place[1:], "mean_tokens").num_rows == 0
    # only what was too many is left to SQL
    assert any(key[0] == "figure" for key in kept._kept) == (size == "kept")


def test_neurons_of_unlike_numbers_of_sentences_and_any_order(tmp_path):
    made = Warehouse.create(tmp_path)
    place = {"model": "m", "checkpoint": "main"}
    with made.run("test", place, {}) as run:
        run.write("sentence_tokens", {**place, "corpus": "a"}, {"sentence_id": range(9), "n_tokens": range(3, 12)})
        text = {"doc_id": ["d"] * 9, "position": range(9), "text": ["x"] * 9, "n_words": range(9)}
        run.write("sentences", {"corpus": "a"}, {"sentence_id": range(9), **text})
        for site, neurons in (("hidden", [2, 0, 2, 0]), ("ffn", [0, 0, 0, 1])):
            columns = {"layer": [1] * 4, "neuron": neurons, "pole": ["top"] * 4, "rank": [1, 1, 2, 2]}
            if site == "ffn":
                columns["rank"] = [1, 2, 3, 1]
            columns |= {"sentence_id": [8, 1, 5, 0], "activation": [2.0, 2.0, 1.0, 1.0], "token_position": [None] * 4}
            run.write("neuron_topk", {**place, "site": site, "corpus": "a"}, columns)
    found = by_neuron(figures.values(made, "m", "main", "hidden", "a", "mean_tokens"))
    assert found == {(1, 2): 3 + 6.5, (1, 0): 3 + 0.5}
    found = by_neuron(figures.values(made, "m", "main", "ffn", "a", "mean_words"))
    assert found == pytest.approx({(1, 0): 14 / 3, (1, 1): 0})
