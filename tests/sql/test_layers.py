"""Questions across neurons and models, `sql/5_layers`, against plain Python and numpy over the same rows."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product

import numpy as np
import pytest

from nwh.ingest.profiles.job import ingest_profiles
from nwh.warehouse import Warehouse

CORPORA = {"a": 1_000, "b": 2_000}
N = {"a": 60, "b": 9}
UNITS = [("m", "1000"), ("m", "2000"), ("other", "main")]
K, LAYERS, WIDTH, DEAD = 20, 2, 7, (1, 3)
TAGS = ["NN", "NNS", "VBZ", "VBD", "JJ", "DT", "UH", "."]
PLURAL = {"NN": "nouns", "NNS": "nouns", "VBZ": "verbs", "VBD": "verbs", "JJ": "adjectives", "DT": "determiners"}


@pytest.fixture(scope="module")
def activations():
    """Return {(model, checkpoint): {corpus: [layers, neurons, sentences]}}; checkpoints of m are alike."""
    rng = np.random.default_rng(5)
    values = {}
    for model, checkpoint in UNITS:
        values[model, checkpoint] = {
            corpus: (values[UNITS[0]][corpus] if checkpoint == "2000" else 0)
            + rng.standard_normal((LAYERS, WIDTH, n)).astype(np.float32)
            for corpus, n in N.items()
        }
        for of_corpus in values[model, checkpoint].values():
            of_corpus[DEAD] = 0.5
    return values


@pytest.fixture(scope="module")
def words():
    """Return {sentence_id: [(word, tag)]} of corpus a."""
    rng = np.random.default_rng(6)
    return {
        int(i): [("!" if tag == "." else f"w{tag}", tag) for tag in rng.choice(TAGS, rng.integers(0, 9))]
        for i in range(1_000, 1_000 + N["a"])
    }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, activations, words):
    made = Warehouse.create(tmp_path_factory.mktemp("across"))
    with made.run("test", {"what": "all"}, {}) as run:
        for corpus, first in CORPORA.items():
            ids = np.arange(first, first + N[corpus])
            texts = {"doc_id": ["d"] * len(ids), "position": ids - first, "text": ["x"] * len(ids)}
            n_words = ids % 7 + 3
            run.write("sentences", {"corpus": corpus}, {"sentence_id": ids, **texts, "n_words": n_words})
            rare = [1_007] if corpus == "a" else []
            keys = {
                "key": ["topic"] * len(ids) + ["mark"] * len(rare),
                "value": [f"v={i % 3}" for i in ids] + ["rare"] * len(rare),
            }
            run.write("sentence_metadata", {"corpus": corpus}, {"sentence_id": [*ids, *rare], **keys})
        for annotator, tags in (("first", None), ("second", "VBZ")):
            rows = {
                "sentence_id": list(words),
                "words": [[word for word, _ in of] for of in words.values()],
                "tags": [[tags or tag for _, tag in of] for of in words.values()],
                "tree": [None] * len(words),
                "tree_kind": [None] * len(words),
            }
            run.write("annotations", {"corpus": "a", "annotator": annotator}, rows)
        for (model, checkpoint), corpus in product(UNITS, CORPORA):
            place = {"model": model, "checkpoint": checkpoint}
            ids = np.arange(CORPORA[corpus], CORPORA[corpus] + N[corpus])
            values = activations[model, checkpoint][corpus]
            if model == "other" and corpus == "b":  # its tokenizer makes two sentences too short
                ids, values = ids[2:], values[:, :, 2:]
            tokens = {"sentence_id": ids, "n_tokens": ids % 5 + 3}
            run.write("sentence_tokens", {**place, "corpus": corpus}, tokens)
            unit = {**place, "site": "ffn", "corpus": corpus}
            rows = [
                (layer, neuron, pole, rank, int(ids[i]), float(values[layer, neuron, i]), None)
                for layer, neuron in np.ndindex(LAYERS, WIDTH)
                for pole, sign in (("bottom", 1), ("top", -1))
                for rank, i in enumerate(np.lexsort((ids, sign * values[layer, neuron]))[:K], 1)
            ]
            names = ("layer", "neuron", "pole", "rank", "sentence_id", "activation", "token_position")
            run.write("neuron_topk", unit, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
            run.write("neuron_stats", unit, statistics(values))
            sampled = {
                "sentence_id": np.tile(ids, LAYERS),
                "layer": np.repeat(np.arange(LAYERS), len(ids)),
                "activations": [row.tolist() for of_layer in values for row in of_layer.T],
            }
            run.write("activation_sample", unit, sampled)
    ingest_profiles(made)
    return made


def statistics(values):
    n = LAYERS * WIDTH
    flat = values.reshape(n, -1)
    columns = {"layer": np.repeat(np.arange(LAYERS), WIDTH), "neuron": np.tile(np.arange(WIDTH), LAYERS)}
    columns |= {"n": [flat.shape[1]] * n, "mean": flat.mean(axis=1), "std": flat.std(axis=1)}
    columns |= {
        "min": flat.min(axis=1),
        "max": flat.max(axis=1),
        "max_token": [None] * n,
        "skewness": flat[:, 0],
        "kurtosis": flat[:, 1],
    }
    columns |= {"share_positive": (flat > 0).mean(axis=1), "resolution": [0.1] * n}
    lists = ("histogram_edges", "quantile_levels", "quantiles")
    return columns | dict.fromkeys(lists, [[0.0]] * n) | {"histogram_counts": [[1]] * n}


def top(warehouse):
    """Return {(model, checkpoint, corpus, layer, neuron): sentence ids, the strongest first}, dead neurons left out."""
    found: dict = {}
    for *neuron, sentence_id in warehouse.sql(
        "select model, checkpoint, corpus, layer, neuron, sentence_id from neuron_topk where pole = 'top' order by rank"
    ).fetchall():
        found.setdefault(tuple(neuron), []).append(sentence_id)
    return {neuron: ids for neuron, ids in found.items() if neuron[-2:] != DEAD}


def overlap(a, b, k, p):
    """Return depth, shared, Jaccard and RBO_ext as Webber et al. define them (their equation 23)."""
    depth = min(len(a), len(b), k)
    a, b = a[:depth], b[:depth]
    agreement = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, depth + 1)]
    rbo = agreement[-1] * p**depth + (1 - p) / p * sum(x * p**d for d, x in enumerate(agreement, 1))
    return depth, len(set(a) & set(b)), len(set(a) & set(b)) / len(set(a) | set(b)), rbo


def test_rank_biased_overlap_of_known_lists_is_as_published():
    """Identical lists have 1, disjoint ones 0, whatever the depth (Webber et al. 2010, section 4.4)."""
    assert overlap([1, 2, 3], [1, 2, 3], 9, 0.9)[3] == pytest.approx(1)
    assert overlap([1, 2, 3], [4, 5, 6], 9, 0.9)[3] == 0


@pytest.mark.parametrize(("k", "p"), [(12, 0.9), (500, 0.98)])
@pytest.mark.parametrize("after", UNITS[1:])
def test_neuron_overlap_equals_its_definition(warehouse, after, k, p):
    sets = top(warehouse)
    query = "from neuron_overlap_at($1, $2, $3, $4, $5, $6)" if p != 0.98 else "from neuron_overlap($1, $2, $3, $4, $5)"
    found = warehouse.sql(query, [*UNITS[0], *after, k, p][: 6 if p != 0.98 else 5]).fetchall()
    assert len(found) == (LAYERS * WIDTH - 1) * len(CORPORA)
    for site, corpus, layer, neuron, depth, shared, jaccard, rbo in found:
        a, b = (sets[(*unit, corpus, layer, neuron)] for unit in (UNITS[0], after))
        wanted = overlap(a, b, k, p)
        assert (site, depth, shared) == ("ffn", *wanted[:2])
        assert (jaccard, rbo) == pytest.approx(wanted[2:])
    assert min(row[4] for row in found) == (7 if after == UNITS[2] else 9)
    assert len({row[5] for row in found}) > 4


@pytest.mark.parametrize(("k", "p"), [(12, 0.9), (500, 0.98)])
def test_overlapping_neurons_are_all_that_share_a_sentence(warehouse, k, p):
    own, sets = ("m", "2000", 1, 2), top(warehouse)
    macro = "overlapping_neurons_at($1, $2, 'ffn', $3, $4, $5, $6)" if p != 0.98 else (
        "overlapping_neurons($1, $2, 'ffn', $3, $4, $5)"
    )  # fmt: skip
    found = warehouse.sql(f"from {macro}", [*own, k, p][: 6 if p != 0.98 else 5]).fetchall()
    wanted = {
        (model, checkpoint, "ffn", corpus, *place): overlap(sets[("m", "2000", corpus, 1, 2)], ids, k, p)
        for (model, checkpoint, corpus, *place), ids in sets.items()
        if (model, checkpoint, *place) != own
    }
    wanted = {neuron: figures for neuron, figures in wanted.items() if figures[1]}
    assert {row[:6] for row in found} == set(wanted)
    for *neuron, depth, shared, jaccard, rbo in found:
        assert (depth, shared, jaccard, rbo) == pytest.approx(wanted[tuple(neuron)])
    assert any(row[1] == "1000" for row in found)
    assert any(row[0] == "other" for row in found)


@pytest.mark.parametrize("k", [3, 100])
@pytest.mark.parametrize("corpora", [None, ["a"]])
def test_similar_neurons_equal_numpy(warehouse, activations, k, corpora):
    layer, neuron = 1, 5
    macro = "from similar_neurons('m', '2000', 'ffn', $1, $2, $3, corpora := $4)"
    found = warehouse.sql(macro, [layer, neuron, k, corpora]).fetchall()
    chosen = [values for corpus, values in activations["m", "2000"].items() if corpora is None or corpus in corpora]
    vectors = np.concatenate(chosen, axis=2)
    others = [place for place in np.ndindex(LAYERS, WIDTH) if place not in ((layer, neuron), DEAD)]
    correlations = {place: np.corrcoef(vectors[place], vectors[layer, neuron])[0, 1] for place in others}
    order = sorted(others, key=lambda place: -correlations[place])
    assert [row[:2] for row in found] == order[:k]
    assert [row[3] for row in found] == pytest.approx([correlations[place] for place in order[:k]])
    assert {row[2] for row in found} == {vectors.shape[2]}


def figures_of(warehouse, figure):
    rows = warehouse.sql("from neuron_figures_of($1)", [figure]).fetchall()
    assert {row[6] for row in rows} == {figure}
    return {(*row[:2], *row[3:6]): row[7] for row in rows}


def test_shares_and_words_per_sentence(warehouse, words):
    sets = top(warehouse)
    share = figures_of(warehouse, "share:topic=v=1")
    assert share == pytest.approx({neuron: np.mean([i % 3 == 1 for i in ids]) for neuron, ids in sets.items()})
    rare = figures_of(warehouse, "share:mark=rare")
    assert rare == pytest.approx(
        {neuron: (1_007 in ids) / len(ids) for neuron, ids in sets.items() if neuron[2] == "a"}
    )
    assert 0 in rare.values()
    counts = {i: Counter(PLURAL.get(tag, "others") for _, tag in of if tag != ".") for i, of in words.items()}
    for figure in ("verbs", "nouns", "others"):
        wanted = {neuron: np.mean([counts[i][figure] for i in ids]) for neuron, ids in sets.items() if neuron[2] == "a"}
        assert figures_of(warehouse, figure) == pytest.approx(wanted)  # of annotator first, not of second
    assert warehouse.sql("from neuron_figures_of('nothing')").fetchall() == []
    assert warehouse.sql("from neuron_figures_of('share:topic=nobody')").fetchall() == []


def test_neuron_figures_holds_every_figure(warehouse):
    found = warehouse.sql("from neuron_figures").pl()
    assert set(found["figure"]) == {
        "mean_tokens", "mean_words", "mean", "std", "skewness", "kurtosis", "share_positive",
        "share:topic=v=0", "share:topic=v=1", "share:topic=v=2", "share:mark=rare",
        "nouns", "verbs", "adjectives", "determiners", "others",
    }  # fmt: skip
    for (figure,), rows in found.group_by("figure"):
        wanted = warehouse.sql("from neuron_figures_of($1)", [figure]).fetchall()
        assert sorted(rows.rows()) == sorted(wanted)
        assert rows.select("model", "checkpoint", "site", "corpus", "layer", "neuron").is_unique().all()


@pytest.mark.parametrize("figure", ["verbs", "share:topic=v=2"])
def test_dimension_consistency_of_any_figure(warehouse, figure):
    values = figures_of(warehouse, figure)
    found = warehouse.sql("from dimension_consistency_of($1) where corpus = 'a'", [figure]).fetchall()
    assert len(found) == len(UNITS)
    both = [neuron for neuron in range(WIDTH) if neuron != DEAD[1]]
    for model, checkpoint, _, corpus, _, _, n, correlation, *_ in found:
        layers = [[values[model, checkpoint, corpus, layer, neuron] for neuron in both] for layer in range(LAYERS)]
        assert n == len(both)
        assert correlation == pytest.approx(np.corrcoef(layers)[0, 1])


def test_a_figure_that_never_differs_has_no_consistency(warehouse):
    found = warehouse.sql(
        "select correlation, p_value from dimension_consistency_of('share:topic=v=1') where corpus = 'b'"
    )
    constant = warehouse.sql("from neuron_figures_of('share:topic=v=1') where corpus = 'b' and model = 'm'").pl()
    assert constant["value"].n_unique() == 1  # all nine sentences are everybody's top ones
    assert found.fetchall().count((None, None)) == len(UNITS)


def test_one_figure_reads_only_what_it_is_made_of(warehouse):
    def read(figure):
        """Return the relations whose files a query for the figure opens."""
        ((_, plan),) = warehouse.sql(f"explain (format json) from neuron_figures_of('{figure}')").fetchall()
        columns = {"skewness": "neuron_stats", "mean_words": "neuron_profiles"}
        columns |= {"key": "neuron_metadata", "class": "neuron_tag_distribution"}
        nodes, found = json.loads(plan), set()
        while nodes:
            node = nodes.pop()
            nodes += node["children"]
            if node["extra_info"].get("Function") == "READ_PARQUET":
                found |= {columns.get(name, "") for name in node["extra_info"]["Projections"]}
        return found - {""}

    assert read("skewness") == {"neuron_stats"}
    assert read("verbs") == {"neuron_tag_distribution"}
    assert read("share:topic=v=1") == {"neuron_metadata"}
    assert read("mean_tokens") == {"neuron_profiles"}
