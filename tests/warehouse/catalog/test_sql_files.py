"""The views and macros of `sql/` against plain numpy and scipy over the same rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.stats

from nwh.ingest.profiles.job import ingest_profiles
from nwh.warehouse import Warehouse

CORPORA = {"a": 1_000, "b": 2_000}
N, K, LAYERS, WIDTH = 120, 30, 3, 20


@pytest.fixture(scope="module")
def activations():
    """Return {corpus: [layers, neurons, sentences]}; one dimension likes long sentences in all layers."""
    rng = np.random.default_rng(3)
    values = {corpus: rng.standard_normal((LAYERS, WIDTH, N)).astype(np.float32) for corpus in CORPORA}
    lengths = np.arange(N) % 9 + 3
    for corpus in CORPORA:
        values[corpus] += (np.linspace(-1, 1, WIDTH)[:, None] * (lengths - 7) * 0.6).astype(np.float32)
        values[corpus][0, 4, : N // 3] += 5  # the first third of the sentences are by ann
        values[corpus][1, 0] = np.minimum(values[corpus][1, 0], -2).clip(-3)  # dead: its top is one value, many times
    return values


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, activations):
    made = Warehouse.create(tmp_path_factory.mktemp("questions"))
    place = {"model": "m", "checkpoint": "1000"}
    for corpus, base in CORPORA.items():
        ids = np.arange(base, base + N)
        with made.run("test", {"corpus": corpus}, {}) as run:
            unit = {"corpus": corpus}
            sentences = {
                "sentence_id": ids,
                "doc_id": ["d"] * N,
                "position": np.arange(N, dtype="i4"),
                "text": [f"{corpus} {i}" for i in range(N)],
                "n_words": np.arange(N, dtype="i4") % 9 + 2,
            }
            run.write("sentences", unit, sentences)
            corpora = {"source": ["s"], "n_documents": [1], "n_sentences": [N], "settings": ["{}"]}
            run.write("corpora", unit, corpora)
            authors = ["ann" if i < N // 3 else "bob" for i in range(N)]
            keys = {"key": ["author"] * N + ["half"] * N, "value": authors + ["one", "two"] * (N // 2)}
            run.write("sentence_metadata", unit, {"sentence_id": np.tile(ids, 2), **keys})
            counted = ids[:-5]  # the last five have too few tokens
            tokens = {"sentence_id": counted, "n_tokens": np.arange(N - 5, dtype="i4") % 9 + 3}
            run.write("sentence_tokens", {**place, **unit}, tokens)
            rows = []
            for layer, neuron in np.ndindex(LAYERS, WIDTH):
                column = activations[corpus][layer, neuron, : N - 5]
                for pole in ("bottom", "top"):
                    order = np.lexsort((counted, column if pole == "bottom" else -column))[:K]
                    rows += [(layer, neuron, pole, r + 1, counted[i], column[i], None) for r, i in enumerate(order)]
            names = ("layer", "neuron", "pole", "rank", "sentence_id", "activation", "token_position")
            columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            run.write("neuron_topk", {**place, "site": "hidden", **unit}, columns)
    ingest_profiles(made)
    return made


def test_top_sentences_of_a_union_equals_a_full_sort(warehouse, activations):
    ids = np.concatenate([np.arange(base, base + N - 5) for base in CORPORA.values()])
    found = warehouse.sql("select * from top_sentences(['b', 'a'], 30)").pl()
    assert found.height == LAYERS * WIDTH * 2 * 30
    for (layer, neuron, pole), rows in found.group_by("layer", "neuron", "pole"):
        column = np.concatenate([activations[corpus][layer, neuron, : N - 5] for corpus in CORPORA])
        order = np.lexsort((ids, column if pole == "bottom" else -column))[:30]
        rows = rows.sort("rank")
        assert rows["sentence_id"].to_list() == ids[order].tolist()
        assert rows["rank"].to_list() == list(range(1, 31))
    only_a = warehouse.sql("select distinct corpus, max(rank) from top_sentences(['a'], 4) group by 1").fetchall()
    assert only_a == [("a", 4)]


def test_neuron_metadata_equals_scipy(warehouse):
    found = warehouse.sql("from neuron_metadata").pl()
    topk = (
        warehouse.scan("neuron_topk").join(warehouse.scan("sentence_metadata"), on=["sentence_id", "corpus"]).collect()
    )
    dead = (pl.col("layer") == 1) & (pl.col("neuron") == 0) & (pl.col("pole") == "top")
    assert found["support"].sum() == topk.filter(~dead).height
    assert found.filter(dead).is_empty()
    for row in found.sample(60, seed=1).iter_rows(named=True):
        of_neuron = topk.filter(
            pl.col("corpus") == row["corpus"],
            pl.col("layer") == row["layer"],
            pl.col("neuron") == row["neuron"],
            pl.col("pole") == row["pole"],
        )
        support = of_neuron.filter(key=row["key"], value=row["value"]).height
        whole = {"ann": N // 3, "bob": N - 5 - N // 3, "one": 58, "two": 57}[row["value"]]
        assert (row["support"], row["k"], row["corpus_support"], row["n_sentences"]) == (support, K, whole, N - 5)
        assert row["lift"] == pytest.approx(support / K / (whole / (N - 5)))
        table = [[support, K - support], [whole - support, N - 5 - K - whole + support]]
        exact = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        assert row["g2"] == pytest.approx(exact.statistic, abs=1e-9)
        assert row["p_value"] == pytest.approx(exact.pvalue, rel=1e-6)
    for _, rows in found.group_by("corpus", "layer", "neuron", "pole"):
        p = np.concatenate([rows["p_value"], np.ones(4 - rows.height)])  # the corpus has four values
        np.testing.assert_allclose(rows["q_value"], scipy.stats.false_discovery_control(p)[: rows.height], rtol=1e-9)
    assert set(found["n_tested"]) == {4}


def test_words_that_a_neuron_has_by_chance_are_not_found_typical(tmp_path):
    """Most words are rare: those found among a neuron's sentences are not all that were looked for."""
    draw, ids, place = np.random.default_rng(2), np.arange(2000), {"model": "m", "checkpoint": "main"}
    made = Warehouse.create(tmp_path)
    with made.run("test", {"corpus": "a"}, {}) as run:
        # each word once in the corpus, and a few commoner ones
        words = [[f"w{i}", f"v{draw.integers(50)}"] for i in ids]
        texts = {"words": words, "tags": [["NN", "NN"]] * 2000, "tree": [None] * 2000, "tree_kind": [None] * 2000}
        run.write("annotations", {"corpus": "a", "annotator": "x"}, {"sentence_id": ids, **texts})
        run.write("sentence_tokens", {**place, "corpus": "a"}, {"sentence_id": ids, "n_tokens": np.full(2000, 3, "i4")})
        sentences = {"doc_id": ["d"] * 2000, "position": ids, "text": ["w v"] * 2000, "n_words": np.full(2000, 2, "i4")}
        run.write("sentences", {"corpus": "a"}, {"sentence_id": ids, **sentences})
        tops = [draw.choice(2000, 50, replace=False) for _ in range(60)]
        columns = {
            "layer": [0] * 3000, "neuron": np.repeat(np.arange(60, dtype="i4"), 50), "pole": ["top"] * 3000,
            "rank": np.tile(np.arange(1, 51, dtype="i4"), 60), "sentence_id": np.concatenate(tops),
            "activation": draw.random(3000, dtype="f4"), "token_position": [None] * 3000,
        }  # fmt: skip
        run.write("neuron_topk", {**place, "site": "ffn", "corpus": "a"}, columns)
    ingest_profiles(made)
    found = made.sql("select count(*), min(n_tested), count_if(q_value <= 0.05) from neuron_words").fetchall()[0]
    assert found[0] > 500  # of those that two of the neuron's sentences have
    assert found[1] == 2050
    assert found[2] <= 3


def test_class_neurons_name_the_commonest_value(warehouse):
    row = warehouse.sql(
        "select value, share, lift, q_value from class_neurons where layer = 0 and neuron = 4 and pole = 'top' "
        "and key = 'author' and corpus = 'a'"
    ).fetchall()
    assert row[0][0] == "ann"
    assert row[0][1] == 1.0
    assert row[0][2] == pytest.approx((N - 5) / (N // 3))
    assert row[0][3] < 1e-6
    n = warehouse.sql("select count(*) from class_neurons").fetchall()[0][0]
    assert n == len(CORPORA) * (LAYERS * WIDTH * 2 - 1) * 2


def mean_lengths(warehouse):
    topk = warehouse.scan("neuron_topk").filter(pl.col("pole") == "top")
    return (
        topk.join(warehouse.scan("sentence_tokens"), on=["sentence_id", "corpus"])
        .group_by("corpus", "layer", "neuron")
        .agg(pl.col("n_tokens").mean())
        .sort("corpus", "layer", "neuron")
        .collect()
    )


def test_neuron_length_equals_polars(warehouse):
    found = warehouse.sql("select * from neuron_length where pole = 'top'").pl().sort("corpus", "layer", "neuron")
    np.testing.assert_allclose(found["mean_tokens"], mean_lengths(warehouse)["n_tokens"])
    assert found["k"].unique().to_list() == [K]
    assert found["corpus_mean_tokens"].unique().item() == pytest.approx((np.arange(N - 5) % 9 + 3).mean())
    assert found["corpus_mean_words"].unique().item() == pytest.approx((np.arange(N - 5) % 9 + 2).mean())


def test_dimension_consistency_equals_numpy_with_its_baseline(warehouse):
    lengths = mean_lengths(warehouse)["n_tokens"].to_numpy().reshape(len(CORPORA), LAYERS, WIDTH)
    found = warehouse.sql("from dimension_consistency order by corpus, layer_a, layer_b").fetchall()
    assert len(found) == len(CORPORA) * 3
    for _, _, _, corpus, a, b, n, correlation, baseline, spread, p_value in found:
        below, above = lengths[list(CORPORA).index(corpus), [a, b]]
        assert n == WIDTH
        assert correlation == pytest.approx(np.corrcoef(below, above)[0, 1])
        shifted = [np.corrcoef(below, np.roll(above, -shift))[0, 1] for shift in range(1, WIDTH)]
        assert baseline == pytest.approx(np.mean(shifted))
        assert spread == pytest.approx(np.std(shifted, ddof=1))
        assert correlation > 0.8 > abs(baseline)
        assert p_value == pytest.approx((1 + sum(s >= correlation - 1e-9 for s in shifted)) / WIDTH)


def test_statistics_macros_equal_scipy(warehouse):
    for support, k, whole, n in [(0, 10, 5, 100), (10, 10, 10, 100), (10, 10, 30, 100), (3, 10, 30, 100)]:
        got = warehouse.sql("select log_likelihood_ratio($1, $2, $3, $4)", [support, k, whole, n]).fetchall()[0][0]
        table = [[support, k - support], [whole - support, n - k - whole + support]]
        exact = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
        assert got == pytest.approx(exact, abs=1e-9)


def test_comments_reach_the_catalog_file(warehouse):
    import duckdb

    with duckdb.connect(f"{warehouse.storage.uri}/nwh.duckdb", read_only=True) as connection:
        views = dict(connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall())
        columns = connection.execute(
            "select count(*) from duckdb_columns() where comment is not null and table_name = 'neuron_metadata'"
        ).fetchall()
    assert "neuron x pole x key x value" in views["neuron_metadata"]
    assert columns == [(27,)]
