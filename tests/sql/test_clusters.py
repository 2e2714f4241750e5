"""`cluster_profile` on planted groups, against Python's own counting and scipy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats

from nwh.ingest.profiles.job import ingest_profiles
from nwh.warehouse import Warehouse

PLACE = {"model": "m", "checkpoint": "1000", "site": "ffn"}
CLUSTERS = [0] * 6 + [1] * 4 + [2] * 2  # of the 12 neurons of both layers
N, K = 60, 12  # sentences of a corpus, sentences of a pole
CORPORA = {"a": 1_000, "b": 2_000}

# (kind, pattern) -> neurons of layer 0 that have it
HAVE = {
    ("word", ("cat",)): {0, 1, 2, 3, 4, 5, 6},  # cluster 0, and one of 1
    ("word", ("the", "dog")): {6, 7, 8, 9},  # cluster 1
    ("tag", ("DT", "NN")): set(range(12)),  # all: tells nothing
    ("tree", ("(NP (DT) (NN))",)): {10, 11, 0},
    ("word", ("rare",)): {2},
}
ANN = {"a": {6, 7}, "b": {7, 8, 9}}  # corpus -> neurons of layer 0 whose top sentences there are ann's


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    made = Warehouse.create(tmp_path_factory.mktemp("clusters"))
    with made.run("test", PLACE, {}) as run:
        for scope in ("a+b", "a"):
            write_clusters(run, scope)
        for kind, pole in product(("word", "tag", "tree"), ("top", "bottom")):
            write_patterns(run, kind, pole)
        for corpus in CORPORA:
            write_top_sentences(run, corpus)
    ingest_profiles(made)
    return made


def write_clusters(run, scope):
    columns = {
        "layer": np.repeat(np.arange(2, dtype="i2"), 12),
        "neuron": np.tile(np.arange(12, dtype="i4"), 2),
        "k": np.full(24, 3, "i4"),
        "cluster": np.tile(np.array(CLUSTERS, "i4"), 2),
        "x": np.zeros(24, "f4"),
        "y": np.zeros(24, "f4"),
    }
    run.write("neuron_clusters", {**PLACE, "scope": scope}, columns)


def write_patterns(run, kind, pole):
    """Write what HAVE says for top, and the same rows with a high q-value, a low lift, or of layer 1 beside them."""
    rows = [
        (0, neuron, list(pattern), 3.0, 0.01)
        for (of, pattern), neurons in HAVE.items()
        for neuron in sorted(neurons)
        if of == kind and pole == "top"
    ]
    rows += [(0, neuron, ["not", "sure"], 3.0, 0.2) for neuron in range(6)]
    rows += [(0, neuron, ["too", "little"], 0.5, 0.01) for neuron in range(6)]
    rows += [(1, 0, ["cat"], 3.0, 0.01)]
    if pole == "bottom":
        rows += [(0, neuron, ["cat"], 3.0, 0.01) for neuron in range(6, 10)]
    layer, neuron, pattern, lift, q_value = map(list, zip(*rows, strict=True))
    n = len(rows)
    texts = [" ".join(items) for items in pattern]
    columns = {"layer": layer, "neuron": neuron, "pattern": pattern, "pattern_text": texts}
    columns |= {"lift": lift, "q_value": q_value}
    columns |= {
        name: [1] * n
        for name in ("length", "support", "k", "corpus_support", "n_sentences", "mined_support", "mined_k")
    }
    columns |= {name: [None] * n for name in ("mined_lift", "mined_g2", "mined_q_value")}
    columns |= {"g2": [1.0] * n, "p_value": q_value, "heldout_auroc": [0.5] * n, "annotator": ["x"] * n}
    columns |= {name: [None] * n for name in ("auroc", "sample_support", "n_sampled")}
    unit = {**PLACE, "scope": "a+b", "kind": kind, "pole": pole}
    run.write("neuron_patterns", unit, columns)


def write_top_sentences(run, corpus):
    ids = CORPORA[corpus] + np.arange(N)
    unit = {"corpus": corpus}
    place = {name: PLACE[name] for name in ("model", "checkpoint")}
    is_ann = np.arange(N) < K
    keys = {"key": ["author"] * N, "value": np.where(is_ann, "ann", "bob").tolist()}
    texts = {"doc_id": ["d"] * N, "position": np.arange(N, dtype="i4"), "text": ["x"] * N}
    run.write("sentences", unit, {"sentence_id": ids, **texts, "n_words": np.full(N, 4, "i4")})
    run.write("sentence_metadata", unit, {"sentence_id": ids, **keys})
    run.write("sentence_tokens", {**place, **unit}, {"sentence_id": ids, "n_tokens": np.full(N, 5, "i4")})
    top = [ids[is_ann] if neuron in ANN[corpus] else ids[::5] for neuron in range(12)]  # every fifth: a fair share
    run.write(
        "neuron_topk",
        {**PLACE, **unit},
        {
            "layer": np.zeros(12 * K, "i2"),
            "neuron": np.repeat(np.arange(12, dtype="i4"), K),
            "pole": ["top"] * 12 * K,
            "rank": np.tile(np.arange(1, K + 1, dtype="i4"), 12),
            "sentence_id": np.concatenate(top),
            "activation": np.tile(np.linspace(2, 1, K, dtype="f4"), 12),
            "token_position": [None] * 12 * K,
        },
    )


def wanted(have, clusters=CLUSTERS):
    """Return {(cluster, kind, pattern): (n_with, n_neurons, share, others_share, g2)} of what is characteristic."""
    found = {}
    for ((kind, pattern), neurons), cluster in product(have.items(), set(clusters)):
        members = {neuron for neuron, of in enumerate(clusters) if of == cluster}
        a, size, total, n = len(neurons & members), len(members), len(neurons), len(clusters)
        if a / size > (total - a) / (n - size):
            table = [[a, size - a], [total - a, n - size - total + a]]
            g2 = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
            found[cluster, kind, pattern] = (a, size, a / size, (total - a) / (n - size), g2)
    return found


def test_profile_equals_counting_by_hand(warehouse):
    rows = warehouse.sql(
        "select cluster, kind, pattern, n_with, n_neurons, share, others_share, g2 from cluster_profile "
        "where model = 'm' and checkpoint = '1000' and site = 'ffn' and scope = 'a+b' and layer = 0"
    ).fetchall()
    have = {(kind, " ".join(pattern)): neurons for (kind, pattern), neurons in HAVE.items()}
    have["metadata", "author = ann"] = {6, 7, 8, 9}
    expected = wanted(have)
    found = {tuple(row[:3]): tuple(row[3:]) for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == expected.keys()
    assert (0, "word", "cat") in found
    assert not {key for key in found if key[2] == "DT NN"}
    for key, figures in expected.items():
        assert found[key] == pytest.approx(figures, abs=1e-9)


def test_rank_puts_the_most_telling_first(warehouse):
    rows = warehouse.sql(
        "select cluster, rank, kind, pattern, g2 from cluster_profile where scope = 'a+b' and layer = 0 order by 1, 2"
    ).fetchall()
    for cluster in range(3):
        of_cluster = [row for row in rows if row[0] == cluster]
        assert [rank for _, rank, *_ in of_cluster] == list(range(1, len(of_cluster) + 1))
        assert [g2 for *_, g2 in of_cluster] == sorted((g2 for *_, g2 in of_cluster), reverse=True)
    best = {cluster: (kind, pattern) for cluster, rank, kind, pattern, _ in rows if rank == 1}
    assert best == {0: ("word", "cat"), 1: ("metadata", "author = ann"), 2: ("tree", "(NP (DT) (NN))")}
    second = next((kind, pattern) for cluster, rank, kind, pattern, _ in rows if (cluster, rank) == (1, 2))
    assert second == ("word", "the dog")  # as telling as the first: by kind and name
