"""What the pages across neurons ask, against plain Python and numpy over the same rows."""

from __future__ import annotations

from statistics import mean, median

import numpy as np
import pytest

from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.layers import FIGURES, WORD_FIGURES, NeuronMap
from nwh.warehouse.queries.pairs import Pair
from tests.sql.layer_rows import GROUPS, HOSTILE, LAYERS, PAIR, SCOPES, SETS, WIDTHS, Rows

BASE = ("base", "main", "hidden")


@pytest.fixture(scope="module")
def rows():
    return Rows()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, rows):
    return rows.write(tmp_path_factory.mktemp("across") / "warehouse")


def test_figures_are_those_of_the_corpus(warehouse, rows):
    topics = list(rows.topics["news"].values())
    shares = [f"share:topic={topic}" for topic in sorted(set(topics), key=lambda t: (-topics.count(t), t))]
    found = queries.layers.figures(warehouse, "base", "main", "news").rows
    assert [figure for (figure,) in found] == [*FIGURES, *shares]
    found = queries.layers.figures(warehouse, "base", "main", "tweets").rows
    assert [figure for (figure,) in found][len(FIGURES) :][: len(WORD_FIGURES)] == list(WORD_FIGURES)


def of_figure(rows, figure):
    """Return neuron -> figure over corpus news."""
    unit = ("base", "hidden", "news")
    if figure == "mean":
        return rows.stats[unit]
    if figure == "mean_tokens":
        return {place: mean(rows.tokens["news"][i] for i in top) for place, (top, _) in rows.top[unit].items()}
    topic = figure.removeprefix("share:topic=")
    alive = {place: top for place, (top, ties) in rows.top[unit].items() if not ties}
    return {place: mean(rows.topics["news"][i] == topic for i in top) for place, top in alive.items()}


@pytest.mark.parametrize("figure", ["mean", "mean_tokens", f"share:topic={HOSTILE}"])
def test_values_of_a_figure_with_their_percentiles(warehouse, rows, figure):
    found = queries.layers.figure_values(warehouse, *BASE, "news", figure).records
    there = of_figure(rows, figure)
    assert {(row["layer"], row["neuron"]): row["value"] for row in found} == pytest.approx(there)
    assert [(row["layer"], row["neuron"]) for row in found] == sorted(there)
    limits = np.quantile(list(there.values()), [0.01, 0.99])
    assert [found[0]["low"], found[0]["high"]] == pytest.approx(limits)
    assert queries.layers.figure_values(warehouse, *BASE, "news", "none").rows == []


def test_consistency_is_the_correlation_over_dimensions(warehouse, rows):
    found = queries.layers.consistency(warehouse, *BASE, "news", "mean").records
    assert [(row["layer_a"], row["layer_b"]) for row in found] == [(0, 1), (0, 2), (1, 2)]
    means = rows.stats["base", "hidden", "news"]
    layers = [[means[layer, neuron] for neuron in range(WIDTHS["hidden"])] for layer in range(LAYERS)]
    there = np.corrcoef(layers)
    assert [row["correlation"] for row in found] == pytest.approx([there[0, 1], there[0, 2], there[1, 2]])
    answer = queries.layers.consistency(warehouse, *BASE, "tweets", "verbs")
    assert answer.rows == warehouse.sql(answer.sql).fetchall()


def test_curves_and_maps_are_what_is_stored(warehouse, rows):
    found = queries.layers.sse_curves(warehouse, *BASE).rows
    assert found == [(scope, *row) for scope in SCOPES for row in rows.curves["hidden", scope]]
    layers = tuple(range(LAYERS))
    of_sites = [NeuronMap("base", "main", site, scope, layers) for site in ("hidden", "ffn") for scope in SCOPES]
    assert queries.layers.maps(warehouse) == of_sites
    place = (*BASE, "news", 1)
    assert queries.layers.clusters(warehouse, *place).rows == [(i, WIDTHS["hidden"] // GROUPS) for i in range(GROUPS)]
    there = [row for row in rows.clusters["hidden", "news"] if row[0] == 1]
    found = queries.layers.neuron_map(warehouse, *place).rows
    assert [row[:3] for row in found] == [(layer, neuron, cluster) for layer, neuron, _, cluster, _, _ in there]
    assert [row[3:] for row in found] == [pytest.approx(row[4:]) for row in there]


def test_a_map_by_a_figure_keeps_neurons_without_it(warehouse, rows):
    figure = "share:topic=money"
    there = {place[1]: value for place, value in of_figure(rows, figure).items() if place[0] == 0}
    found = queries.layers.neuron_map_by(warehouse, *BASE, "news+tweets", 0, "news", figure).records
    assert len(found) == WIDTHS["hidden"] == len(there) + 1
    assert found[0]["value"] is None  # its top sentences all tie
    assert {row["neuron"]: row["value"] for row in found[1:]} == pytest.approx(there)
    limits = np.quantile(list(there.values()), [0.01, 0.99])
    assert [found[0]["low"], found[0]["high"]] == pytest.approx(limits)


def test_the_profile_of_a_cluster_starts_with_what_sets_it_apart(warehouse):
    first = queries.layers.cluster_profile(warehouse, *BASE, "news", 0, 1, 5).records[0]
    others = WIDTHS["hidden"] - WIDTHS["hidden"] // GROUPS
    assert (first["kind"], first["pattern"], first["n_with"]) == ("word", f"{HOSTILE} it", 4)
    assert (first["share"], first["others_share"]) == (1, pytest.approx(1 / others))


def test_distances_of_a_pair(warehouse, rows):
    pair = Pair(*PAIR)
    assert queries.pairs.pairs(warehouse) == [pair]
    assert (pair.before, pair.after) == ("base@main", "tuned@step9")
    there = [(*of_set, *row) for of_set, row in rows.distances.items()]
    assert queries.pairs.distances(warehouse, pair).rows == sorted(there, key=lambda row: -row[3])
    there = [("/".join(of_set), *row) for of_set in sorted(SETS) for row in rows.by_layer[of_set]]
    assert queries.pairs.layer_distances(warehouse, pair).rows == there
    other = Pair(*PAIR[2:], *PAIR[:2])
    assert not queries.pairs.distances(warehouse, other).rows
    for (corpus, split), moved in rows.moved.items():
        found = queries.pairs.moved_neurons(warehouse, pair, corpus, split, 4).records
        best = sorted(moved, key=lambda row: -row[3] / row[4])[:4]
        assert [(row["layer"], row["neuron"]) for row in found] == [row[:2] for row in best]
        assert [row["standardised_change"] for row in found] == pytest.approx([row[3] / row[4] for row in best])


def test_matches_of_a_pair(warehouse, rows):
    pair = Pair(*PAIR)
    assert queries.pairs.match_sets(warehouse, pair).rows == [("hidden", "news")]
    found = queries.pairs.match_histogram(warehouse, pair, "hidden", "news").records
    partnered = [row for row in rows.matches if row[4] is not None]
    edges = np.arange(-50, 51) / 50
    for basis, column in (("best partner", 4), ("rotated basis", 5)):
        counts, _ = np.histogram(np.float32([row[column] for row in partnered]), edges)
        there = {round(edges[i] * 50): int(n) for i, n in enumerate(counts) if n}
        of_basis = [row for row in found if row["basis"] == basis]
        assert {round(row["low"] * 50): row["n_neurons"] for row in of_basis} == there
        assert sum(row["share"] for row in of_basis) == pytest.approx(1)
    assert max(row["high"] for row in found) == 1
    for row in queries.pairs.matches_by_layer(warehouse, pair, "hidden", "news").records:
        of_layer = [match for match in partnered if match[0] == row["layer"]]
        assert (row["n_neurons"], row["n_constant"]) == (len(of_layer), WIDTHS["hidden"] - len(of_layer))
        assert row["share_above"] == pytest.approx(mean(match[4] > match[5] for match in of_layer))
        assert row["share_same_layer"] == pytest.approx(mean(match[2] == match[0] for match in of_layer))
        assert row["median_correlation"] == pytest.approx(median(match[4] for match in of_layer), rel=1e-6)
        assert row["median_rotated"] == pytest.approx(median(match[5] for match in of_layer), rel=1e-6)


def test_partners_of_a_neuron_in_both_directions(warehouse, rows):
    layer, neuron, *there, correlation, rotated = next(row for row in rows.matches if row[4] is not None)[:6]
    first = queries.samples.partners(warehouse, Neuron(*PAIR[:2], "hidden", layer, neuron), 9).records[0]
    assert (first["is_partner"], first["model"], first["checkpoint"]) == (True, *PAIR[2:])
    assert [first["layer"], first["neuron"]] == there
    assert (first["correlation"], first["rotated_correlation"]) == pytest.approx((correlation, rotated))
    found = queries.samples.partners(warehouse, Neuron(*PAIR[2:], "hidden", *there), 99).records
    assert {(row["is_partner"], row["model"], row["checkpoint"]) for row in found} == {(False, *PAIR[:2])}
    those = [(*row[:2], row[4]) for row in rows.matches if [*row[2:4]] == there]
    assert [(row["layer"], row["neuron"]) for row in found] == [
        row[:2] for row in sorted(those, key=lambda row: (-row[2], *row[:2]))
    ]


def test_an_empty_warehouse_has_nothing(tmp_path):
    made = Warehouse.create(tmp_path / "empty")
    assert queries.layers.maps(made) == queries.pairs.pairs(made) == []
