"""Views over training: the bootstrap against numpy and against a known effect, the others against plain Python."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from statistics import mean

import duckdb
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.schema import RELATIONS
from tests.sql.knowledge_rows import STEPS, Rows, spearman

_MASK = 2**32 - 1


@pytest.fixture(scope="module")
def rows():
    return Rows()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, rows):
    return rows.write(tmp_path_factory.mktemp("formation") / "warehouse")


@pytest.fixture
def tables():
    """Return a database of empty tables named as the relations, with the views and macros over them."""
    with duckdb.connect() as made:
        for relation in RELATIONS.values():
            columns = ", ".join(f"{column.name} {column.type}" for column in relation.columns)
            made.execute(f"create table {relation.name} ({columns})")
        for file in sql_files():
            made.execute(file.sql)
        yield made


@pytest.fixture(scope="module")
def macros():
    with duckdb.connect() as made:
        for name in ("random_bits", "bootstrap_means", "without_skewness", "bootstrap_interval"):
            made.execute(next(file.sql for file in sql_files() if file.name == name))
        yield made


def draws(n, seed):
    """Return which values the 1,000 resamples of n values have, [1000, n]: the hash with numpy's own integers."""
    r, i = np.meshgrid(np.arange(1000), np.arange(n), indexing="ij")
    z = (r + 1000 * i + 3141593 * seed).astype(np.uint64) & np.uint64(_MASK)
    z = ((z ^ (z >> np.uint64(15))) * np.uint64(739982445)) & np.uint64(_MASK)
    z = ((z ^ (z >> np.uint64(12))) * np.uint64(695872825)) & np.uint64(_MASK)
    return (z * np.uint64(n)) >> np.uint64(32)


def interval(x, seed=0):
    """Return the interval of a mean; x: [n]."""
    return bounds(x[draws(len(x), seed)].mean(1), x.mean(), len(x))


def bounds(means, estimate, n):
    """Return where Hall's cubic of the standardised error is at both quantiles of Student's t."""
    skewness = ((means - estimate) ** 3).mean() / means.std() ** 3

    def cubic(x, quantile):
        return x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / 6 - quantile

    errors = [scipy.optimize.brentq(cubic, -99, 99, args=scipy.stats.t.ppf(p, n - 1)) for p in (0.975, 0.025)]
    return estimate - means.std() * np.sqrt(n / (n - 1)) * np.array(errors)


@pytest.mark.parametrize("n", [5, 40])
def test_the_bootstrap_is_numpys(macros, n):
    x = np.random.default_rng(n).lognormal(size=n)
    query = "select bootstrap_interval(bootstrap_means($x, 2), list_avg($x), len($x))"
    (found,) = macros.execute(query, {"x": x.tolist()}).fetchone()
    assert found == pytest.approx(interval(x, 2), abs=2e-3 if n == 5 else 1e-6)  # t by its expansion


def test_draws_are_even_and_of_another_seed_others():
    counts = np.bincount(draws(50, 0).ravel().astype(int), minlength=50)
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert abs(np.corrcoef(draws(50, 0).ravel(), draws(50, 1).ravel())[0, 1]) < 0.02


LAWS = {  # of the effects of concepts, and their mean
    "normal": (lambda chance, size: chance.normal(-20, 10, size), -20),
    "skewed": (lambda chance, size: -20 * chance.lognormal(0, 0.5, size), -20 * np.exp(0.125)),
    "probabilities": (lambda chance, size: 100 * chance.beta(0.5, 2, size), 20),
}


@pytest.mark.parametrize(("law", "n"), [("normal", 8), ("normal", 20), ("skewed", 12), ("probabilities", 16)])
def test_95_percent_intervals_hold_a_known_effect_as_often(macros, law, n):
    """Concepts have effects of their own around a known one, their prompts scatter around these: 1,000 data sets."""
    chance, (concepts, mean_effect) = np.random.default_rng(n), LAWS[law]
    effects = (concepts(chance, (1000, n, 1)) + chance.normal(0, 15 if law == "normal" else 3, (1000, n, 6))).mean(2)
    query = "select bootstrap_interval(bootstrap_means(x, 0), list_avg(x), len(x)) from (select unnest($sets) as x)"
    found = np.array([both for (both,) in macros.execute(query, {"sets": effects.tolist()}).fetchall()])
    held = ((found[:, 0] <= mean_effect) & (found[:, 1] >= mean_effect)).mean()
    assert 0.93 <= held <= 0.97


def test_prompts_drawn_as_well_as_their_concepts_make_intervals_too_wide():
    """The scatter of prompts is in the means of the concepts already: drawn again, it counts twice."""
    chance, n, n_prompts, held = np.random.default_rng(1), 12, 6, []
    drawn = draws(n, 0).astype(int)
    for _ in range(300):
        of_prompts = chance.normal(-20, 10, (n, 1)) + chance.normal(0, 30, (n, n_prompts))
        again = chance.integers(0, n_prompts, (1000, n, n_prompts))
        of_both = of_prompts[drawn[..., None], again].mean((1, 2))
        estimate = of_prompts.mean()
        both = [bounds(means, estimate, n) for means in (of_prompts.mean(1)[drawn].mean(1), of_both)]
        held.append([low <= -20 <= high for low, high in both])
    concepts_alone, twice = np.mean(held, 0)
    assert concepts_alone <= 0.97 < twice


# -- views over random rows -------------------------------------------------------------------------------------------


def changes(rows, unit, operation):
    """Return concept -> polarity -> prompt -> change of the contributing arm less that of the random one."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for concept, prompt, polarity, arm, *_, before, after, _, _ in rows.interventions[unit].get(operation, []):
        if before:
            sign = 1 if arm == "contributing" else -1
            found[concept][polarity][prompt].append(sign * (after - before) * 100 / before)
    return found


def specific(rows, unit, operation):
    """Return concept -> specific effect."""
    found = {}
    for concept, of in changes(rows, unit, operation).items():
        both = [[sum(arms) for arms in of[p].values() if len(arms) == 2] for p in ("positive", "negative")]
        if all(both):
            found[concept] = mean(both[0]) - mean(both[1])
    return found


def test_specific_effects_and_their_curve(warehouse, rows):
    units = [unit for unit in rows.interventions if rows.interventions[unit]]
    for unit in units:
        wanted = specific(rows, unit, "zero")
        of = "model = $1 and checkpoint = $2 and dataset = $3 and operation = 'zero'"
        found = dict(
            warehouse.sql(
                f"select concept, specific_effect from specific_effect where {of} and specific_effect is not null", unit
            ).fetchall()
        )
        assert found == pytest.approx(wanted)
        curve = warehouse.sql(
            f"select n_concepts, mean, low, high from training_curves where {of} and figure = 'specific effect'", unit
        ).fetchall()[0]
        values = np.array([wanted[concept] for concept in sorted(wanted)])
        assert curve == pytest.approx((len(values), values.mean(), *interval(values)), rel=1e-3)


def test_the_interval_of_a_concept_draws_both_kinds_of_prompts(tables):
    own, others = np.array([3.0, -5, 20, 7, 1]), np.array([1.0, 2, -9, 4])
    kinds = {"positive": own, "negative": others}
    prompts = [(i, kind, change) for kind, of in kinds.items() for i, change in enumerate(of, len(kind))]
    for prompt, polarity, change in prompts:
        for arm, after in (("contributing", 1 + change / 100), ("random", 1)):
            tables.execute(
                "insert into interventions (model, checkpoint, dataset, rule, concept, operation, prompt_id, polarity, "
                "arm, p_before, p_after) values ('m', 'c', 'd', 'relp', 'king', 'zero', $1, $2, $3, 1, $4)",
                [prompt + 100 * len(polarity), polarity, arm, after],
            )
    tables.execute(
        "insert into attribution_quality (model, checkpoint, dataset, rule, layer) values ('m', 'c', 'd', 'relp', 0)"
    )
    found = tables.execute("select specific_effect, low, high from specific_effect").fetchall()[0]
    effect = own.mean() - others.mean()
    means = own[draws(5, 0)].mean(1) - others[draws(4, 1)].mean(1)
    assert found == pytest.approx((effect, *bounds(means, effect, 4)), rel=2e-3)


def test_formation_is_that_of_scipy(warehouse, rows):
    found = {
        (row["dataset"], row["concept"]): row
        for row in warehouse.sql("from formation where model = 'bert' and operation = 'double'").pl().to_dicts()
    }
    steps = sorted((step, c) for c, step in STEPS["bert"].items() if step is not None)
    for dataset in rows.prompts:
        effects = {c: specific(rows, ("bert", c, dataset), "double") for _, c in steps}
        for concept in set().union(*effects.values()):
            points = []
            for step, checkpoint in steps:
                scores = rows.scores["bert", checkpoint, dataset]
                of = [p for i, (p, _) in scores.items() if rows.prompts[dataset][i] == concept]
                if of:
                    points.append((step, mean(of), effects[checkpoint].get(concept)))
            row, both = found[dataset, concept], [(p, e) for _, p, e in points if e is not None]
            assert (row["n_checkpoints"], row["n_effects"]) == (len(points), len(both))
            assert row["known_step"] == min(step for step, p, _ in points if p >= 0.5 * points[-1][1] - 1e-12)
            assert row["last_effect"] == pytest.approx(both[-1][1])
            matters = [step for step, _, e in points if e is not None and e >= 0.5 * both[-1][1] - 1e-9]
            assert row["matters_step"] == (min(matters) if both[-1][1] > 0 else None)
            if len(both) < 3:
                assert row["correlation"] is None
            else:
                r, p = spearman(*zip(*both, strict=True))
                assert (row["correlation"], row["p_value"]) == pytest.approx((r, p), abs=1e-9)


def sets_of(rows, unit, t=0.2):
    """Return prompt -> the neurons it selects, of prompts that ran."""
    of_prompt = defaultdict(dict)
    for prompt, _, layer, neuron, value in rows.attributions[unit]:
        of_prompt[prompt][layer, neuron] = float(np.float32(value))
    return {
        prompt: {n for n, v in of_prompt[prompt].items() if v > 0 and v >= t * max(of_prompt[prompt].values())}
        for prompt in rows.scores[unit]
    }


def test_overlap_of_prompts(warehouse, rows):
    for unit in [("bert", "step100", "a"), ("solo", "main", "a")]:
        of, concept_of = sets_of(rows, unit), rows.prompts[unit[2]]
        within, across = defaultdict(list), defaultdict(list)
        for a, b in combinations(sorted(of), 2):
            if of[a] | of[b]:
                jaccard = len(of[a] & of[b]) / len(of[a] | of[b])
                if concept_of[a] == concept_of[b]:
                    within[concept_of[a]].append(jaccard)
                else:
                    across[concept_of[a]].append(jaccard)
        found = warehouse.sql(
            "select concept, overlap, chance from consistency where model = $1 and checkpoint = $2 and dataset = $3",
            unit,
        ).fetchall()
        assert {c: o for c, o, _ in found if o is not None} == pytest.approx({c: mean(x) for c, x in within.items()})
        # of 4 others a prompt, drawn: their mean is near that of all pairs
        drawn = mean(chance for *_, chance in found if chance is not None)
        assert drawn == pytest.approx(mean(x for of in across.values() for x in of), abs=0.03)
