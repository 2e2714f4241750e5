"""Views over attributions and interventions, against plain Python, numpy and scipy over the same rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations
from statistics import mean, median

import numpy as np
import pytest
import scipy.special
import scipy.stats

from nwh.ingest.statistics import benjamini_hochberg
from tests.sql.knowledge_rows import CONCEPTS, LAYERS, STEPS, Rows, spearman


@pytest.fixture(scope="module")
def rows():
    return Rows()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, rows):
    return rows.write(tmp_path_factory.mktemp("knowledge") / "warehouse")


def ask(warehouse, query):
    """Return the rows of a relation as dictionaries."""
    return warehouse.sql(f"from {query}").pl().to_dicts()


def unit_of(row):
    return row["model"], row["checkpoint"], row["dataset"]


def ran(rows, unit):
    """Return concept -> prompts that ran."""
    found = defaultdict(list)
    for prompt in rows.scores[unit]:
        found[rows.prompts[unit[2]][prompt]].append(prompt)
    return found


def select(rows, t=0.2, p=0.5):
    """Return unit -> concept that ran -> (layer, neuron) -> attributions of the prompts that selected it."""
    everything = {}
    for unit, attributions in rows.attributions.items():
        of_prompt = defaultdict(dict)
        for prompt, _, layer, neuron, value in attributions:
            of_prompt[prompt][layer, neuron] = float(np.float32(value))
        everything[unit] = {}
        for concept, prompts in ran(rows, unit).items():
            chosen = defaultdict(list)
            for values in (of_prompt[prompt] for prompt in prompts if prompt in of_prompt):
                for place, value in values.items():
                    if value > 0 and value >= t * max(values.values()):
                        chosen[place].append(value)
            kept = {place: found for place, found in chosen.items() if len(found) / len(prompts) >= p}
            everything[unit][concept] = kept
    return everything


def by_concept(rows, **thresholds):
    """Return (model, dataset, concept) -> checkpoint -> neurons, checkpoints in order of steps, none last."""
    found = defaultdict(dict)
    order = [(model, c) for model, steps in STEPS.items() for c in sorted(steps, key=lambda c: step_or_last(model, c))]
    selected = select(rows, **thresholds)
    for model, checkpoint in order:
        for dataset in rows.prompts:
            for concept, kept in selected.get((model, checkpoint, dataset), {}).items():
                found[model, dataset, concept][checkpoint] = kept
    return found


def step_or_last(model, checkpoint):
    step = STEPS[model][checkpoint]
    return float("inf") if step is None else step


def last(model):
    return {"bert": "step100", "solo": "main", "untrained": "step1"}[model]


@pytest.mark.parametrize(("t", "p"), [(0.2, 0.5), (0.05, 0), (0.5, 0.25), (1, 1), (0.3, 1 / 3)])
def test_selection(warehouse, rows, t, p):
    found = {}
    for row in ask(warehouse, f"knowledge_neurons_at({t}, {p})"):
        found[unit_of(row), row["concept"], row["layer"], row["neuron"]] = row
        assert row["share"] == row["n_selected"] / row["n_prompts"] >= p
        assert row["n_prompts"] == len(ran(rows, unit_of(row))[row["concept"]])
    wanted = {
        (unit, concept, *place): values
        for unit, concepts in select(rows, t, p).items()
        for concept, kept in concepts.items()
        for place, values in kept.items()
    }
    assert {key: row["n_selected"] for key, row in found.items()} == {key: len(v) for key, v in wanted.items()}
    for key, values in wanted.items():
        assert found[key]["attribution"] == pytest.approx(mean(values))
    if (t, p) == (0.2, 0.5):
        view = {(unit_of(r), r["concept"], r["layer"], r["neuron"]): r for r in ask(warehouse, "knowledge_neurons")}
        assert view.keys() == found.keys()


def test_neurons_per_concept_count_those_without_any(warehouse, rows):
    found = {(unit_of(r), r["concept"]): r for r in ask(warehouse, "knowledge_neurons_per_concept")}
    wanted = {(u, c): len(kept) for u, concepts in select(rows).items() for c, kept in concepts.items()}
    assert {key: row["n_neurons"] for key, row in found.items()} == wanted
    assert 0 in wanted.values()
    for (unit, concept), row in found.items():
        assert (row["n_prompts"], row["step"]) == (len(ran(rows, unit)[concept]), STEPS[unit[0]][unit[1]])


def test_layers(warehouse, rows):
    layers = {(unit_of(r), r["layer"]): r for r in ask(warehouse, "knowledge_neuron_layers")}
    means = {(unit_of(r), r["layer"]): r for r in ask(warehouse, "attribution_by_layer")}
    assert layers.keys() == {(unit, layer) for unit in rows.scores for layer in range(LAYERS)}
    for unit, concepts in select(rows).items():
        pairs = [(place, values) for kept in concepts.values() for place, values in kept.items()]
        for layer in range(LAYERS):
            row, of_layer = layers[unit, layer], [pair for pair in pairs if pair[0][0] == layer]
            n = len(of_layer)
            assert (row["n_contributions"], row["n_concepts"]) == (n, len(concepts))
            assert row["n_neurons"] == len({place for place, _ in of_layer})
            assert row["per_concept"] == pytest.approx(n / len(concepts))
            assert row["share"] == (pytest.approx(n / len(pairs)) if pairs else None)
            if not of_layer:
                assert (unit, layer) not in means
                continue
            values = [mean(values) for _, values in of_layer]
            found = [means[unit, layer][name] for name in ("n_contributions", "mean", "median", "highest")]
            assert found == pytest.approx([n, mean(values), median(values), max(values)])


def test_concepts_per_neuron(warehouse, rows):
    wanted = defaultdict(list)
    for unit, concepts in select(rows).items():
        for concept, kept in sorted(concepts.items()):
            for place in kept:
                wanted[unit, *place].append(concept)
    found = {(unit_of(r), r["layer"], r["neuron"]): r["concepts"] for r in ask(warehouse, "concepts_per_neuron")}
    assert found == wanted
    assert all(r["n_concepts"] == len(r["concepts"]) for r in ask(warehouse, "concepts_per_neuron"))


@pytest.mark.parametrize("reference", [None, "main", "step9"])
def test_stability(warehouse, rows, reference):
    query = f"knowledge_neuron_stability_at('{reference}', 0.3, 0.4)" if reference else "knowledge_neuron_stability"
    thresholds = {"t": 0.3, "p": 0.4} if reference else {}
    found = {(r["model"], r["dataset"], r["concept"], r["checkpoint"]): r for r in ask(warehouse, query)}
    wanted = {}
    for (model, dataset, concept), at in by_concept(rows, **thresholds).items():
        label = reference or last(model)
        for checkpoint in at if label in at else ():
            a, b = set(at[label]), set(at[checkpoint])
            wanted[model, dataset, concept, checkpoint] = (len(a), len(b), len(a & b), len(a | b))
    assert found.keys() == wanted.keys()
    for key, (n_reference, n_neurons, n_shared, union) in wanted.items():
        row = found[key]
        assert row["reference_checkpoint"] == (reference or last(key[0]))
        assert (row["n_reference"], row["n_neurons"], row["n_shared"]) == (n_reference, n_neurons, n_shared)
        assert row["share_found"] == (n_shared / n_reference if n_reference else None)
        assert row["jaccard"] == (n_shared / union if union else None)
        assert row["step"] == STEPS[key[0]][key[3]]


@pytest.mark.parametrize("reference", [None, "main", "step20"])
def test_persistence(warehouse, rows, reference):
    name = "knowledge_neuron_persistence"
    found = ask(warehouse, f"{name}_at('{reference}', 0.2, 0.5)" if reference else name)
    found = {(r["model"], r["dataset"], r["concept"], r["layer"], r["neuron"]): r for r in found}
    wanted = {}
    for (model, dataset, concept), at in by_concept(rows).items():
        label = reference or last(model)
        if label not in at:
            continue
        until = step_or_last(model, label)
        past = [c for c in at if c != label and step_or_last(model, c) < float("inf")]
        past = [*(c for c in past if step_or_last(model, c) <= until), label]
        for place, values in at[label].items():
            there = [place in at[c] for c in past]
            first = there.index(True)
            settled = len(there) - there[::-1].index(False) if False in there else 0
            steps = STEPS[model]
            wanted[model, dataset, concept, *place] = {
                "reference_checkpoint": label,
                "attribution": pytest.approx(mean(values)),
                "first_checkpoint": past[first],
                "first_step": steps[past[first]],
                "settled_step": steps[past[settled]],
                "n_checkpoints": len(there) - first,
                "n_found": sum(there),
                "persistence": sum(there) / (len(there) - first),
            }
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert {name: found[key][name] for name in values} == values
    assert any(row["persistence"] < 1 for row in found.values())


def test_overlap_of_checkpoints(warehouse, rows):
    found = {}
    for row in ask(warehouse, "checkpoint_overlap_per_concept"):
        key = (row["model"], row["dataset"], row["concept"], row["checkpoint_a"], row["checkpoint_b"])
        found[key] = (row["n_a"], row["n_b"], row["n_shared"], row["jaccard"])
    wanted = {}
    for key, at in by_concept(rows).items():
        labels = list(at)
        for i, a in enumerate(labels):
            for b in labels[i + 1 :]:
                one, other = set(at[a]), set(at[b])
                jaccard = len(one & other) / len(one | other) if one | other else None
                wanted[*key, a, b] = (len(one), len(other), len(one & other), jaccard)
    assert found == wanted
    of_pair = defaultdict(list)
    for (model, dataset, _, a, b), (*_, jaccard) in wanted.items():
        of_pair[model, dataset, a, b] += [] if jaccard is None else [jaccard]
    means = ask(warehouse, "checkpoint_overlap")
    assert len(means) == len(of_pair)
    for row in means:
        values = of_pair[row["model"], row["dataset"], row["checkpoint_a"], row["checkpoint_b"]]
        assert row["n_concepts"] == len(values)
        assert row["jaccard"] == (pytest.approx(mean(values)) if values else None)
        steps = STEPS[row["model"]]
        assert (row["step_a"], row["step_b"]) == (steps[row["checkpoint_a"]], steps[row["checkpoint_b"]])


def changes(rows):
    """Return (unit, operation, polarity, arm) -> concept -> (before, after, rank before, rank after) of prompts."""
    found = defaultdict(lambda: defaultdict(list))
    for unit, operations in rows.interventions.items():
        for operation, stored in operations.items():
            for concept, _, polarity, arm, *_, before, after, rank_before, rank_after in stored:
                found[unit, operation, polarity, arm][concept].append((before, after, rank_before, rank_after))
    return found


def arm_of(row):
    return unit_of(row), row["operation"], row["polarity"], row["arm"]


def test_relative_change_leaves_out_and_counts_probabilities_of_zero(warehouse, rows):
    found = {(*arm_of(r), r["concept"]): r for r in ask(warehouse, "relative_change")}
    ranks = {(*arm_of(r), r["concept"]): r for r in ask(warehouse, "rank_change")}
    distribution = {arm_of(r): r for r in ask(warehouse, "relative_change_distribution")}
    assert distribution.keys() == changes(rows).keys()
    seen = Counter()
    for key, concepts in changes(rows).items():
        means = []
        for concept, prompts in concepts.items():
            row, rank = found.pop((*key, concept)), ranks.pop((*key, concept))
            relative = [(after - before) * 100 / before for before, after, *_ in prompts if before]
            means += [mean(relative)] if relative else []
            assert row["relative_change"] == (pytest.approx(mean(relative)) if relative else None)
            n = (len(prompts), len(prompts) - len(relative), 4)
            assert (row["n_prompts"], row["n_null"], row["n_neurons"]) == n
            assert row["p_before"] == pytest.approx(mean(p[0] for p in prompts))
            assert row["p_after"] == pytest.approx(mean(p[1] for p in prompts))
            assert row["step"] == rank["step"] == STEPS[key[0][0]][key[0][1]]
            differences = [after - before for *_, before, after in prompts]
            figures = [mean(p[2] for p in prompts), mean(p[3] for p in prompts), mean(differences), median(differences)]
            names = ("rank_before", "rank_after", "rank_change", "median_rank_change", "n_prompts", "n_neurons")
            assert [rank[name] for name in names] == pytest.approx([*figures, len(prompts), 4])
            seen["null"] += not relative
            seen["prompts"] += len(prompts) - len(relative)
        row = distribution[key]
        n_null = sum(not any(p[0] for p in prompts) for prompts in concepts.values())
        assert (row["n_concepts"], row["n_null"]) == (len(means), n_null)
        assert row["n_prompts"] == sum(map(len, concepts.values()))
        assert row["n_null_prompts"] == sum(not p[0] for prompts in concepts.values() for p in prompts)
        names = ("mean", "lowest", "q05", "q25", "median", "q75", "q95", "highest")
        quantiles = np.quantile(means, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        assert [row[name] for name in names] == pytest.approx([mean(means), *quantiles])
    assert not found
    assert not ranks
    assert seen["null"] > 5
    assert seen["prompts"] > seen["null"]


@pytest.mark.parametrize("k", [10, 3])
def test_acquisition(warehouse, rows, k):
    found = {(r["model"], r["dataset"], r["concept"]): r for r in ask(warehouse, f"acquisition_at({k})")}
    wanted = acquired(rows, k)
    assert {key: (r["n_checkpoints"], r["step"], r["n_known"]) for key, r in found.items()} == wanted
    assert {step for _, step, _ in wanted.values()} > {None, 0}
    for (model, dataset, concept), row in found.items():
        if row["step"] is not None:
            assert STEPS[model][row["checkpoint"]] == row["step"]
            unit = (model, row["checkpoint"], dataset)
            ranks = [rows.scores[unit][prompt][1] for prompt in ran(rows, unit)[concept]]
            assert row["median_rank"] == median(ranks) <= k
    if k == 10:
        assert sorted(map(str, ask(warehouse, "acquisition"))) == sorted(map(str, found.values()))


def acquired(rows, k):
    """Return (model, dataset, concept) -> (checkpoints with a step, first step that knows it, how many do)."""
    found = {}
    for (model, checkpoint, dataset), scores in rows.scores.items():
        step = STEPS[model][checkpoint]
        for concept, prompts in ran(rows, (model, checkpoint, dataset)).items():
            known = found.setdefault((model, dataset, concept), ([], []))
            if step is not None:
                known[0].append(step)
                known[1].extend([step] if median(scores[prompt][1] for prompt in prompts) <= k else [])
    return {key: (len(steps), min(known, default=None), len(known)) for key, (steps, known) in found.items()}


def test_extreme_concepts(warehouse, rows):
    found = defaultdict(dict)
    for row in ask(warehouse, "concept_frequency"):
        source = row["frequency_source"] or "given"
        assert row["frequency"] == of_source(rows, source)[row["dataset"]][row["concept"]]
        assert (row["frequency"] is None) == (row["frequency_source"] is None)
        found[row["model"], row["dataset"], source][row["concept"]] = (row["place"], row["extreme"])
    for (model, dataset, source), concepts in found.items():
        assert set(concepts) == {c for unit in rows.scores if unit[::2] == (model, dataset) for c in ran(rows, unit)}
        known = of_source(rows, source)[dataset]
        frequency = {c: known[c] for c in concepts if known[c] is not None}
        order = sorted(frequency, key=lambda concept: (-frequency[concept], concept))
        n = min(10, len(order) // 2)
        wanted = {c: (i, "most" if i <= n else "least" if i > len(order) - n else None) for i, c in enumerate(order, 1)}
        assert concepts == {concept: wanted.get(concept, (None, None)) for concept in concepts}
    assert len(found["bert", "a", "given"]) == len(found["bert", "a", "concepts in text"]) == len(CONCEPTS)


def of_source(rows, source):
    """Return dataset -> concept -> frequency."""
    return {"given": rows.frequency, "concepts in text": rows.counts}[source]


def test_frequency_correlation_equals_scipy(warehouse, rows):
    figures = defaultdict(dict)
    for (model, dataset, concept), (n, step, _) in acquired(rows, 10).items():
        if n:
            figures[model, dataset, "step of acquisition", None][concept] = float("inf") if step is None else step
    for (unit, operation, polarity, arm), concepts in changes(rows).items():
        if (operation, polarity, arm) == ("zero", "positive", "contributing"):
            model, checkpoint, dataset = unit
            for concept, prompts in concepts.items():
                difference = mean(after - before for *_, before, after in prompts)
                figures[model, dataset, "rank change under zero", checkpoint][concept] = difference
    found = ask(warehouse, "frequency_correlation")
    assert len(found) == 2 * len(figures)
    for row in found:
        key = (row["model"], row["dataset"], row["figure"], row["checkpoint"])
        frequency = of_source(rows, row["frequency_source"])[key[1]]
        pairs = [(frequency[c], v) for c, v in figures[key].items() if frequency[c] is not None]
        correlation, p = spearman(*zip(*pairs, strict=True))
        assert row["n"] == len(pairs)
        assert row["correlation"] == pytest.approx(correlation, abs=1e-12)
        assert row["p_value"] == pytest.approx(p, rel=1e-8)
        assert row["step"] == (STEPS[key[0]][key[3]] if key[3] else None)
    for of in {(row["model"], row["dataset"], row["figure"], row["frequency_source"]) for row in found}:
        over = [row for row in found if (row["model"], row["dataset"], row["figure"], row["frequency_source"]) == of]
        q = benjamini_hochberg([row["p_value"] for row in over], [0] * len(over))
        assert [row["q_value"] for row in over] == pytest.approx(list(q))
    assert any(row["q_value"] > row["p_value"] for row in found)


@pytest.mark.parametrize("n", [3, 4, 5, 30, 501, 20_000])
def test_p_value_of_a_correlation_equals_scipy(warehouse, n):
    for r in (0.0, 1e-4, -0.05, 0.3, -0.7, 0.99):
        ((got,),) = warehouse.sql("select correlation_p($1::double, $2::bigint)", [r, n]).fetchall()
        exact = 2 * scipy.stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r * r)), n - 2)
        assert got == pytest.approx(exact, rel=1e-8, abs=1e-300)
    found = warehouse.sql(f"select correlation_p(1.0, {n}), correlation_p(0.5, 2), correlation_p(null, {n})").fetchall()
    assert found == [(0, None, None)]


@pytest.mark.parametrize("ties", [False, True])
def test_p_value_of_a_rank_correlation_is_that_over_all_orders(warehouse, ties):
    chance, query = np.random.default_rng(0), "select rank_correlation_p($1::double, $2::double[], $3::double[])"
    for n in range(3, 8):
        orders = np.array(list(permutations(range(n))))  # [n!, n]
        for place in range(0, len(orders), max(1, len(orders) // 6)):
            x, y = np.arange(1.0, n + 1), orders[place] + 1.0
            if ties:
                x, y = (scipy.stats.rankdata(np.append(1, chance.integers(0, n - 1, n - 1))) for _ in range(2))
            if x.std() * y.std() == 0:
                continue
            r = np.corrcoef(x, y)[0, 1]
            found = (x - x.mean()) @ (y - y.mean())[orders].T / (n * x.std() * y.std())
            ((got,),) = warehouse.sql(query, [r, sorted(x.tolist()), sorted(y.tolist())]).fetchall()
            assert got == pytest.approx((abs(found) >= abs(r) - 1e-9).mean())
    for n, r in ((8, 1.0), (8, -0.5), (20, 0.7), (20, 1.0), (500, -1.0), (2, 1.0), (5, None)):
        ranks = list(range(1, n + 1))
        ((got,),) = warehouse.sql(query, [r, ranks, ranks]).fetchall()
        exact = None
        if n > 2 and r is not None:
            t = abs(r) * np.sqrt((n - 2) / (1 - r * r)) if abs(r) < 1 else np.inf
            exact = pytest.approx(max(2 * scipy.stats.t.sf(t, n - 2), 2 / scipy.special.gamma(n + 1)), rel=1e-8)
        assert got == exact


def test_a_correlation_with_a_constant_is_null(tmp_path):
    rows = Rows()
    rows.frequency["b"] = dict.fromkeys(rows.frequency["b"], 2.0)
    found = ask(
        rows.write(tmp_path / "warehouse"), "frequency_correlation where dataset = 'b' and frequency_source = 'given'"
    )
    assert found
    assert {(row["correlation"], row["p_value"]) for row in found} == {(None, None)}
