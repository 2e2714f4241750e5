"""What the search page asks, against numpy and polars over the same rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.queries.search import Aggregation, Filters
from tests.sql.knowledge_rows import Rows, described

LAYERS, WIDTH = 3, 5
PATTERNS = {"word": [["the"], ["the", "king"]], "tag": [["DT", "NN"], ["DT"]], "tree": [["(NP (DT) (NN))"]]}
CORPORA = {"a": 40, "b": 300}
AGGREGATES = {"a": "mean", "b": "mean", "c": "max"}


@pytest.fixture(scope="module")
def activations():
    """Return {corpus: [layers, neurons, sentences]}, each corpus with means of its own; one neuron never varies."""
    rng = np.random.default_rng(5)
    found = {
        corpus: (rng.normal(base, 1 + base, (LAYERS, WIDTH, n)) + np.arange(WIDTH)[:, None]).astype(np.float32)
        for base, (corpus, n) in enumerate(CORPORA.items())
    }
    for values in found.values():
        values[1, 2] = 0.5
    return found


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, activations):
    made = Warehouse.create(tmp_path_factory.mktemp("search") / "warehouse")
    rng = np.random.default_rng(6)
    for model, checkpoint in (("m", "main"), ("m", "step9")):
        place = {"model": model, "checkpoint": checkpoint}
        with made.run("test", place, {}) as run:
            run.write("checkpoints", place, described(None))
            for kind, patterns in PATTERNS.items():
                for site, scope, pole in (("ffn", "a", "top"), ("ffn", "a+b", "top"), ("hidden", "a", "bottom")):
                    unit = {**place, "site": site, "scope": scope, "kind": kind, "pole": pole}
                    run.write("neuron_patterns", unit, pattern_rows(rng, patterns))
    for corpus, aggregate in (*AGGREGATES.items(), ("a", "last")):
        unit = {"model": "m", "checkpoint": "main", "corpus": corpus}
        # the last run of a was at the other site, and says nothing of this one
        sites = ["hidden"] if aggregate == "last" else ["ffn"]
        settings = {**unit, "sites": sites, "aggregate": aggregate, "special_tokens": False}
        with made.run("activations", unit, settings) as run:
            if corpus in activations and "ffn" in sites:
                run.write("neuron_stats", {**unit, "site": "ffn"}, stats_rows(activations[corpus]))
    return made


def pattern_rows(rng, patterns):
    """Return a row for each neuron and pattern, figures at random, of many neurons the same."""
    places = [(*place, pattern) for place in np.ndindex(LAYERS, WIDTH) for pattern in patterns]
    n = len(places)
    layer, neuron, pattern = map(list, zip(*places, strict=True))
    return {
        "layer": layer,
        "neuron": neuron,
        "pattern": pattern,
        "pattern_text": [" ".join(items) for items in pattern],
        "length": [len(items) for items in pattern],
        "support": rng.integers(1, 10, n),
        "k": [10] * n,
        "corpus_support": [20] * n,
        "n_sentences": [100] * n,
        "lift": rng.integers(1, 9, n) / 2,
        "g2": rng.integers(0, 5, n) / 2,
        "p_value": [0.5] * n,
        "q_value": rng.integers(0, 5, n) / 40,
        "mined_support": [1] * n,
        "mined_k": [5] * n,
        "mined_lift": rng.integers(1, 9, n) / 2,
        "mined_g2": rng.integers(0, 5, n) * 4.0,
        "mined_q_value": rng.choice([None, 0.0, 0.0625, 0.25], n).tolist(),
        "heldout_auroc": [None] * n,
        "auroc": np.random.default_rng(n).choice([None, 0.5, 0.75], n).tolist(),
        "sample_support": [9] * n,
        "n_sampled": [99] * n,
        "annotator": ["x"] * n,
    }


def stats_rows(values):
    """Return the rows of neuron_stats of [layers, neurons, sentences]."""
    places = list(np.ndindex(*values.shape[:2]))
    each = [values[place].astype(np.float64) for place in places]
    n = len(places)
    return {
        "layer": [layer for layer, _ in places],
        "neuron": [neuron for _, neuron in places],
        "n": [len(column) for column in each],
        "mean": [column.mean() for column in each],
        "std": [column.std() for column in each],
        "min": [column.min() for column in each],
        "max": [column.max() for column in each],
        "max_token": [None] * n,
        **{name: [0.0] * n for name in ("skewness", "kurtosis", "share_positive", "resolution")},
        **{name: [[0.0]] * n for name in ("histogram_edges", "quantile_levels", "quantiles")},
        "histogram_counts": [[1]] * n,
    }


ALL_FILTERS = [
    Filters(),
    Filters(pole="bottom"),
    Filters("m", "step9", "ffn", "a+b", (1, 2), "top", 2.0, 0.05),
    Filters(model="m", min_lift=2.5),
    Filters(site="hidden", layers=(2, 2), max_q=0.025),
    Filters(scope="a"),
]


@pytest.mark.parametrize("filters", ALL_FILTERS)
@pytest.mark.parametrize(("kind", "text"), [("word", " the  king "), ("tag", "DT"), ("tree", "(NP (DT) (NN))")])
def test_neurons_by_pattern(warehouse, filters, kind, text):
    wanted = {"model": filters.model, "checkpoint": filters.checkpoint, "site": filters.site, "pole": filters.pole}
    wanted |= {"scope": filters.scope, "kind": kind}
    low, high = filters.layers or (0, 99)
    rows = (
        warehouse.scan("neuron_patterns")
        .filter(**{name: value for name, value in wanted.items() if value})
        .filter(pl.col("pattern").list.join(" ") == " ".join(text.split()), pl.col("layer").is_between(low, high))
        .filter(pl.col("mined_q_value").is_not_null())
        .collect()
    )
    q_values = stats.false_discovery_control(stats.chi2.sf(rows["mined_g2"], 1))  # no neuron was compared in vain
    rows = (
        rows.with_columns(q_value=pl.Series(q_values))
        .filter(pl.col("mined_lift") >= filters.min_lift, pl.col("q_value") <= filters.max_q)
        .sort(
            "auroc",
            "mined_g2",
            "model",
            "checkpoint",
            "site",
            "layer",
            "neuron",
            "pole",
            "scope",
            descending=[True, True, *[False] * 7],
            nulls_last=True,
        )
    )
    assert rows.height > 0
    for limit in (1000, 4):
        found = queries.search.by_pattern(warehouse, kind, text, filters, limit)
        wanted_rows = rows.head(limit).with_columns(
            share=pl.col("support") / pl.col("k"), recall=pl.col("support") / pl.col("corpus_support")
        )
        worked_out = {"auroc_low", "auroc_high", "heldout_share", "heldout_others_share"}  # golden cases have these
        kept = [name for name in found.columns if name not in {*worked_out, "q_value"}]
        assert [tuple(row[name] for name in kept) for row in found.records] == wanted_rows.select(kept).rows()
        assert [row["q_value"] for row in found.records] == pytest.approx(wanted_rows["q_value"].to_list())


def test_lists_of_one_text_are_told_apart(tmp_path):
    """An item may have a blank in it; text with blanks means items without."""
    made = Warehouse.create(tmp_path)
    lists = [["a", "b", "c"], ["a b", "c"], ["a", "b c"], ["a b c"]]
    unit = {"model": "m", "checkpoint": "main", "site": "ffn", "scope": "a", "kind": "word", "pole": "top"}
    with made.run("test", unit, {}) as run:
        run.write("neuron_patterns", unit, pattern_rows(np.random.default_rng(1), lists))
    for items in lists:
        found = made.sql("select distinct pattern from pattern_neurons('word', $1)", [items]).fetchall()
        assert found == [(items,)]
    found = made.sql("select distinct pattern from pattern_neurons('word', 'a b c')").fetchall()
    assert found == [(lists[0],)]


def test_a_no_break_space_is_part_of_a_word(tmp_path):
    made = Warehouse.create(tmp_path)
    lists = [["10\u00a0000", "men"], ["10", "000", "men"]]
    unit = {"model": "m", "checkpoint": "main", "site": "ffn", "scope": "a", "kind": "word", "pole": "top"}
    with made.run("test", unit, {}) as run:
        run.write("neuron_patterns", unit, pattern_rows(np.random.default_rng(1), lists))
    for items in lists:
        asked = " ".join(items)
        found = queries.search.by_pattern(made, "word", f" {asked} ", Filters("m", "main", "ffn", max_q=1.0), 9)
        stored = made.sql("select layer, neuron, support, lift from neuron_patterns where pattern = $1", [items])
        shown = {tuple(row[name] for name in ("layer", "neuron", "support", "lift")) for row in found.records}
        assert shown <= set(stored.fetchall())
        assert found.records


def test_what_patterns_are_stored(warehouse):
    found = queries.search.patterns_stored(warehouse)
    assert len(found) == 2 * 3 * 3
    columns = ("model", "checkpoint", "site", "scope", "kind", "pole")
    stored = warehouse.sql(f"select distinct {', '.join(columns)} from neuron_patterns").fetchall()
    assert sorted(tuple(row[name] for name in columns) for row in found) == sorted(stored)


@pytest.mark.parametrize("pole", ["top", "bottom"])
def test_neurons_that_fire_on_a_text(warehouse, activations, pole):
    live = np.random.default_rng(8).normal(1, 4, (LAYERS, WIDTH)).astype(np.float32)
    both = np.concatenate([values.astype(np.float64) for values in activations.values()], axis=2)
    with np.errstate(divide="ignore"):
        z = (live - both.mean(2)) / both.std(2)
    order = sorted(
        (place for place in np.ndindex(LAYERS, WIDTH) if place != (1, 2)),  # the neuron that never varies
        key=lambda place: -z[place] if pole == "top" else z[place],
    )
    filters = Filters("m", "main", "ffn", pole=pole)
    found = queries.search.by_activation(warehouse, live, ("a", "b"), filters, 100).records
    assert [(row["layer"], row["neuron"]) for row in found] == order
    np.testing.assert_allclose([row["z"] for row in found], [z[place] for place in order], rtol=1e-5)
    np.testing.assert_allclose([row["std"] for row in found], [both.std(2)[place] for place in order], rtol=1e-5)
    assert [row["max"] for row in found] == pytest.approx([both.max(2)[place] for place in order])
    narrowed = Filters("m", "main", "ffn", layers=(1, 1), pole=pole)
    found = queries.search.by_activation(warehouse, live, ("a", "b"), narrowed, 3).records
    assert [(row["layer"], row["neuron"]) for row in found] == [place for place in order if place[0] == 1][:3]
    alone = queries.search.by_activation(warehouse, live, ("a",), filters, 100).records
    a = activations["a"].astype(np.float64)
    row = alone[0]
    place = row["layer"], row["neuron"]
    assert row["z"] == pytest.approx((live[place] - a[place].mean()) / a[place].std(), rel=1e-5)


def test_a_text_is_aggregated_as_the_last_run_at_its_site_was(warehouse):
    extent = Extent("m", "main", "ffn", LAYERS, WIDTH, ("a", "b"))
    assert queries.search.aggregation(warehouse, extent) == Aggregation("mean", False, ("a", "b"))
    with_c = Extent("m", "main", "ffn", LAYERS, WIDTH, ("a", "b", "c"))
    assert queries.search.aggregation(warehouse, with_c) == Aggregation("max", False, ("c",))
    hidden = Extent("m", "main", "hidden", LAYERS, WIDTH, ("a", "b"))
    assert queries.search.aggregation(warehouse, hidden) == Aggregation("last", False, ("a",))


def test_neurons_by_class(warehouse):
    rows = warehouse.scan("neuron_patterns").filter(kind="word", pole="top", length=1)
    rows = rows.filter(pl.col("support") >= 5, pl.col("lift") >= 2, pl.col("q_value") <= 0.05).collect()
    place = ["model", "checkpoint", "site", "layer", "neuron", "scope"]
    found = queries.search.by_class(warehouse, "token detector", Filters(), 1000).records
    assert sorted(tuple(row[name] for name in place) for row in found) == sorted(rows.select(place).rows())
    assert [row["share"] for row in found] == sorted((row["share"] for row in found), reverse=True)
    narrowed = queries.search.by_class(warehouse, "token detector", Filters(scope="a", layers=(1, 1)), 1000).rows
    assert len(narrowed) == rows.filter(scope="a", layer=1).height > 0
    dead = queries.search.by_class(warehouse, "dead", Filters(model="m"), 1000).records
    assert {(row["layer"], row["neuron"], row["scope"]) for row in dead} == {(1, 2, "a"), (1, 2, "b")}


def test_neurons_by_concept(tmp_path):
    made = Rows().write(tmp_path / "knowledge")
    view = made.sql("from knowledge_neurons").pl()
    for filters in (Filters(), Filters("bert", "step20"), Filters("bert", layers=(1, 2))):
        rows = view.filter(dataset="a", concept="c12")
        if filters.model:
            rows = rows.filter(model=filters.model)
        if filters.checkpoint:
            rows = rows.filter(checkpoint=filters.checkpoint)
        if filters.layers:
            rows = rows.filter(pl.col("layer").is_between(*filters.layers))
        rows = rows.sort("attribution", "model", "checkpoint", "layer", "neuron", descending=[True, *[False] * 4])
        found = queries.search.by_concept(made, "a", "c12", filters, 1000)
        assert 0 < len(found.rows) == rows.height
        assert {row["site"] for row in found.records} == {"ffn"}
        columns = ["model", "checkpoint", "layer", "neuron", "attribution"]
        assert [tuple(row[name] for name in columns) for row in found.records] == rows.select(columns).rows()
