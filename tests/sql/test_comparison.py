"""`moved_neurons` against Python's own ranking over the same rows."""

from __future__ import annotations

from random import Random

import pytest

from nwh.warehouse import Warehouse

PAIR = {"model_before": "base", "checkpoint_before": "main", "model_after": "tuned", "checkpoint_after": "main"}
LAYERS, WIDTH = 2, 10
ASKED = "moved_neurons('base', 'main', 'tuned', 'main', 'one', {k})"


def made_distances(seed):
    random = Random(seed)
    rows = []
    for split in ("test", "train"):
        for layer in range(LAYERS):
            for neuron in range(WIDTH):
                constant = (layer, neuron) == (1, 3)
                change = random.uniform(0, 2)
                still = 0.0 if split == "test" else 1e-9  # a neuron that hardly varies is as good as constant
                rows.append((split, layer, neuron, -change / 2, change, still if constant else random.uniform(0.5, 1)))
    return rows


def made_patterns(seed, kind):
    """Return rows of neuron_patterns: many per neuron, some of a low mined_lift or a high mined_q_value, or of none."""
    random = Random(f"{seed} {kind}")
    rows = []
    for layer in range(LAYERS):
        for neuron in range(WIDTH):
            for i in range(0 if neuron == 7 else 6):
                rows.append(
                    {
                        "layer": layer, "neuron": neuron, "pattern": [f"w{i}", "x"], "pattern_text": f"w{i} x",
                        "length": 2, "support": 5, "k": 10,
                        "corpus_support": 9, "n_sentences": 99, "lift": random.choice([0.9, 1.5]),
                        "g2": random.uniform(0, 9), "p_value": 0.1, "q_value": random.choice([0.01, 0.05, 0.2]),
                        "mined_support": 2, "mined_k": 5, "mined_lift": random.choice([0.5, 1.5]),
                        "mined_g2": random.randrange(0, 900) / 4, "mined_q_value": random.choice([None, 0.03125, 0.25]),
                        "heldout_auroc": random.choice([None, 0.5, 0.6, 0.7]), "annotator": "nltk",
                        "auroc": None, "sample_support": None, "n_sampled": None,
                    }
                )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    made = Warehouse.create(tmp_path_factory.mktemp("comparison"))
    names = ("split", "layer", "neuron", "mean_change", "mean_absolute_change", "std_before")
    with made.run("test", {"corpus": "one"}, {}) as run:
        for seed, unit in enumerate(
            ({**PAIR, "corpus": "one"}, {**PAIR, "corpus": "two"}, {**PAIR, "model_after": "other", "corpus": "one"})
        ):
            columns = dict(zip(names, map(list, zip(*made_distances(seed), strict=True)), strict=True))
            run.write("neuron_distances", unit, columns)
        places = [
            ("base", "hidden", "one", "word", "top"),
            ("base", "hidden", "one", "tag", "top"),
            ("base", "hidden", "one+two", "word", "top"),
            ("base", "hidden", "one", "word", "bottom"),
            ("base", "ffn", "one", "word", "top"),
            ("other", "hidden", "one", "word", "top"),
        ]
        for model, site, scope, kind, pole in places:
            unit = {
                "model": model, "checkpoint": "main", "site": site, "scope": scope, "kind": kind, "pole": pole,
            }  # fmt: skip
            rows = made_patterns((model, site, scope, pole), kind)
            run.write("neuron_patterns", unit, {name: [row[name] for row in rows] for name in rows[0]})
    return made


def best_by_hand(layer, neuron):
    """Return the best three patterns of a neuron of `base`, the same pattern of two scopes once."""
    found = {}
    for scope, kind in (("one", "word"), ("one", "tag"), ("one+two", "word")):
        for row in made_patterns(("base", "hidden", scope, "top"), kind):
            sure = row["mined_q_value"] is not None and row["mined_q_value"] <= 0.05
            if (row["layer"], row["neuron"]) == (layer, neuron) and sure and row["mined_lift"] > 1:
                found.setdefault(f"{kind}: {' '.join(row['pattern'])}", []).append(row["mined_g2"])
    ranked = sorted(found, key=lambda text: (-max(found[text]), text))
    return ranked[:3]


def test_moved_neurons_equal_a_plain_ranking(warehouse):
    found = warehouse.sql(f"from {ASKED.format(k=20)}").pl()
    assert found["split"].to_list() == ["test"] * 20 + ["train"] * 20
    for split, rows in found.group_by("split", maintain_order=True):
        wanted = [row for row in made_distances(0) if row[0] == split[0]]
        wanted.sort(key=lambda row: -row[4] / row[5] if row[5] > 0.1 else 1)
        assert rows["rank"].to_list() == list(range(1, 21))
        assert rows.select("layer", "neuron").rows() == [row[1:3] for row in wanted]
        assert rows["standardised_change"].to_list()[:-1] == pytest.approx([row[4] / row[5] for row in wanted[:-1]])
        assert rows["standardised_change"].to_list()[-1] is None  # it was constant
        assert rows["mean_change"].to_list() == [row[3] for row in wanted]
    lengths = set()
    for row in found.iter_rows(named=True):
        assert row["patterns_before"] == best_by_hand(row["layer"], row["neuron"])
        assert row["patterns_after"] == []  # none were mined of `tuned`
        lengths.add(len(row["patterns_before"]))
    assert {0, 3} <= lengths
