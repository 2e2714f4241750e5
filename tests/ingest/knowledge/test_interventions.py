"""The job against transformers' own forward with hooks; draws, control arm, interruption, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nwh.ingest.knowledge import interventions as job
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.knowledge.reading import read_prompts, unrelated_prompt
from nwh.ingest.models import load
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.knowledge.by_hand import score_by_hand
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_causal, save_masked

TEMPLATES = {
    "masked": ["[MASK] is the capital of {}", "the capital of {} is [MASK]", "we see [MASK] in {}", "old [MASK] in {}"],
    "causal": ["x capital of {} is", "x we see in {} old", "x what is the city in {}", "x {} lies in the"],
}
SETTINGS = InterventionSettings(t=0.3, p=0.5, negatives=3)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    # Wide enough for the unrelated prompts, whose words these tokenizers spell in pieces.
    masked = load(str(save_masked(folder / "masked")), head=True, device="cpu")
    causal = load(str(save_causal(folder / "causal", positions=256)), head=True, device="cpu")
    return {"masked": masked, "causal": replace(causal, window=256)}


@pytest.fixture
def empty(tmp_path):
    return Warehouse.create(tmp_path / "empty")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models):
    """Return the folder of a warehouse with the attributions of the masked model, to be copied."""
    folder = tmp_path_factory.mktemp("stored")
    made = Warehouse.create(folder / "warehouse")
    add(made, folder, models["masked"])
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def add(warehouse, tmp_path, model, kind="masked", concepts=()):
    path = tmp_path / f"{kind}.jsonl"
    facts = [(city, country, text) for city, country in zip(CITIES, COUNTRIES, strict=True) for text in TEMPLATES[kind]]
    rows = [{"text": text.format(country), "answer": city} for city, country, text in facts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_prompts(warehouse, str(path), "cities", PromptSettings(paraphrases=0))
    ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("riemann",), steps=4, concepts=concepts))


def selected(warehouse, concept, t=0.3, p=0.5):
    """Return the concept's contributing neurons, selected here from the stored attributions."""
    found = {}
    for prompt_id, layer, neuron, value in warehouse.sql(
        "select prompt_id, layer, neuron, attribution from attributions where concept = $1", [concept]
    ).fetchall():
        found.setdefault(prompt_id, {})[layer, neuron] = value
    kept = [{key for key, value in each.items() if value >= t * max(each.values())} for each in found.values()]
    return {key for key in set().union(*kept) if sum(key in each for each in kept) >= p * len(kept)}


@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_every_row_equals_a_forward_pass_with_hooks(empty, tmp_path, models, kind):
    model = models[kind]
    add(empty, tmp_path, model, kind)
    runs = ingest_interventions(empty, model, "cities", SETTINGS)
    assert [run.unit["operation"] for run in runs] == ["zero", "replace", "double"]
    prompts = {prompt.prompt_id: prompt for prompt in read_prompts(model, stored_prompts(empty, "cities")[0]).inputs}
    unrelated = score_by_hand(model, unrelated_prompt(model))[2]
    rows = empty.sql("from interventions where arm = 'contributing'").pl()
    assert rows.height == 3 * len(CITIES) * (4 + 3)
    sets = {concept: selected(empty, concept) for concept in CITIES}
    assert len(set(map(frozenset, sets.values()))) > 1
    for row in rows.sort("prompt_id", "operation").gather_every(2).iter_rows(named=True):
        members = sets[row["concept"]]

        def change(layer, values, row=row, members=members):
            new = values.clone()
            for neuron in (neuron for at, neuron in members if at == layer):
                new[0, neuron] = {"zero": 0, "replace": unrelated[layer, neuron], "double": 2 * values[0, neuron]}[
                    row["operation"]
                ]
            return new

        prompt = prompts[row["prompt_id"]]
        assert (row["p_before"], row["rank_before"]) == _near(score_by_hand(model, prompt))
        assert (row["p_after"], row["rank_after"]) == _near(score_by_hand(model, prompt, change))
        assert (row["polarity"] == "positive") == (prompt.concept == row["concept"])
        assert (row["n_neurons"], row["t"], row["p"]) == (len(members), 0.3, 0.5)
    assert not [finding for finding in verify(empty, deep=True) if finding.wrong]


def _near(score):
    probability, rank, _ = score
    return pytest.approx(probability, rel=1e-4, abs=1e-9), rank


def test_the_control_arm_has_as_many_other_neurons_in_the_same_layers(warehouse, models, monkeypatch):
    real, edits = job.intervene, []

    def seen(model, prompts, these):
        edits.extend(these)
        return real(model, prompts, these)

    monkeypatch.setattr(job, "intervene", seen)
    ingest_interventions(warehouse, models["masked"], "cities", InterventionSettings(("zero",), 0.3, 0.5, 2))
    sets = {frozenset(zip(edit.layers.tolist(), edit.neurons.tolist(), strict=True)) for edit in edits}
    assert all(len(edit.layers) == len(set(zip(edit.layers, edit.neurons, strict=True))) for edit in edits)
    chosen = {frozenset(selected(warehouse, concept)) for concept in CITIES}
    assert chosen <= sets
    for members in sets - chosen:
        layers = sorted(layer for layer, _ in members)
        partners = [own for own in chosen if not own & members and sorted(layer for layer, _ in own) == layers]
        assert partners
    arms = warehouse.sql(
        "select distinct concept, max(n_neurons) = min(n_neurons) from interventions group by 1"
    ).fetchall()
    assert all(same for _, same in arms)


def test_negative_prompts_ask_for_something_else_and_are_the_same_everywhere(warehouse, tmp_path, models):
    other = load(str(save_masked(tmp_path / "series" / "step5", seed=5)), name="masked", checkpoint=None, head=True)
    settings = InterventionSettings(("zero", "double"), 0.3, 0.5, 3)
    ingest_interventions(warehouse, models["masked"], "cities", settings)
    later = replace(other, checkpoint=replace(other.checkpoint, checkpoint="step5"))
    ingest_attributions(warehouse, later, "cities", AttributionSettings(rules=("riemann",), steps=4))
    ingest_interventions(warehouse, later, "cities", settings)
    drawn = warehouse.sql(
        "select interventions.concept, checkpoint, operation, arm, list(prompt_id order by prompt_id), "
        "bool_or(prompts.concept = interventions.concept) "
        "from interventions inner join prompts using (prompt_id) where polarity = 'negative' group by all"
    ).fetchall()
    assert not any(same for *_, same in drawn)
    assert all(len(ids) == len(set(ids)) == 3 for *_, ids, _ in drawn)
    of_concept = {}
    for concept, *_, ids, _ in drawn:
        of_concept.setdefault(concept, set()).add(tuple(ids))
    shared = {concept: ids for concept, ids in of_concept.items() if sum(row[0] == concept for row in drawn) == 8}
    assert shared
    assert all(len(ids) == 1 for ids in shared.values())
    assert len(set().union(*of_concept.values())) > 1
    ingest_interventions(warehouse, models["masked"], "cities", InterventionSettings(("zero",), 0.3, 0.5, 3, seed=1))
    again = warehouse.sql(
        "select list(prompt_id order by prompt_id) from interventions where polarity = 'negative' and arm = 'random' "
        "and checkpoint = 'main' and operation = 'zero' group by concept order by concept"
    ).fetchall()
    assert [tuple(ids) for (ids,) in again] != [min(of_concept[concept]) for concept in sorted(of_concept)]


def test_prompts_of_another_concept_with_the_same_answer_are_not_negative(empty, tmp_path, models):
    path = tmp_path / "labelled.jsonl"
    rows = [
        {"text": text.format(country), "answer": city, "concept": f"{city} {i % 2}"}
        for city, country in list(zip(CITIES, COUNTRIES, strict=True))[:2]
        for i, text in enumerate(TEMPLATES["masked"])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_prompts(empty, str(path), "cities")
    ingest_attributions(
        empty, models["masked"], "cities", AttributionSettings(rules=("riemann",), steps=4, min_prompts=2)
    )
    ingest_interventions(empty, models["masked"], "cities", InterventionSettings(("zero",), negatives=9))
    found = empty.sql(
        "select interventions.concept, list(distinct answer), count(*) from interventions "
        "inner join prompts using (prompt_id) where polarity = 'negative' group by all order by all"
    ).fetchall()
    assert found == [
        ("paris 0", ["rome"], 8), ("paris 1", ["rome"], 8), ("rome 0", ["paris"], 8), ("rome 1", ["paris"], 8)
    ]  # fmt: skip


def test_prompts_that_were_not_known_are_no_negative_ones_either(warehouse, models):
    model = models["masked"]
    found = warehouse.sql("select prompt_id, probability from prompt_scores order by 2").fetchall()
    least = found[len(found) // 2][1]
    settings = AttributionSettings(rules=("riemann",), steps=4, min_prompts=1, min_probability=least)
    ingest_attributions(warehouse, model, "cities", settings)
    ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",), negatives=9))
    polarities = "select list(distinct polarity order by polarity), min(p_before) from interventions"
    assert warehouse.sql(polarities).fetchall() == [(["negative", "positive"], least)]


def test_negative_prompts_are_the_same_wherever_two_checkpoints_know_them(warehouse, models):
    """The lists of prompts that they know differ; those drawn must not depend on the others in the list."""
    model = models["masked"]
    found = warehouse.sql("select prompt_id, probability from prompt_scores order by 2").fetchall()
    least = found[len(found) // 3][1]
    known = {prompt_id for prompt_id, probability in found if probability >= least}
    drawn = []
    for min_probability in (0.0, least):
        settings = AttributionSettings(rules=("riemann",), steps=4, min_prompts=1, min_probability=min_probability)
        ingest_attributions(warehouse, model, "cities", settings, again=True)
        ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",), 0.3, 0.5, 3))
        rows = warehouse.sql(
            "select concept, list(distinct prompt_id) from interventions where polarity = 'negative' group by concept"
        ).fetchall()
        drawn.append({concept: set(ids) for concept, ids in rows})
    assert drawn[0].keys() == drawn[1].keys()
    both = [(drawn[0][concept], drawn[1][concept]) for concept in drawn[0]]
    assert all(of_all & known <= of_known <= known for of_all, of_known in both)
    assert any(of_all != of_known for of_all, of_known in both)


def test_a_set_of_more_than_half_a_layer_has_a_smaller_control_arm(empty, tmp_path, models, monkeypatch):
    add(empty, tmp_path, models["masked"], concepts=("rome",))
    monkeypatch.setattr(
        "nwh.ingest.knowledge.intervention_inputs.InterventionInputs.sets",
        {"rome": (np.zeros(20, np.int64), np.arange(20))},
    )
    (run,) = ingest_interventions(empty, models["masked"], "cities", InterventionSettings(("zero",)))
    assert empty.sql("select distinct arm, n_neurons from interventions order by 1").fetchall() == [
        ("contributing", 20),
        ("random", 4),
    ]
    assert any("1 concepts have more than half of a layer's neurons" in note for note in run.notes)


def test_an_interrupted_run_goes_on_from_its_blocks_of_concepts(warehouse, stored, tmp_path, models, monkeypatch):
    monkeypatch.setattr(job, "BLOCK", 20)
    model, settings = models["masked"], InterventionSettings(("zero",), 0.3, 0.5, 3)
    whole = copied(stored, tmp_path / "whole")
    ingest_interventions(whole, model, "cities", settings)
    real, seen = job.intervene, []

    def until_interrupted(model, prompts, edits):
        seen.append(len(edits))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(model, prompts, edits)

    monkeypatch.setattr(job, "intervene", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_interventions(warehouse, model, "cities", settings)
    assert warehouse.sql("select count(*) from interventions").fetchall() == [(0,)]
    (run,) = ingest_interventions(warehouse, model, "cities", settings)
    assert seen == [14] * 6  # five concepts of 2 arms x (4 + 3) prompts, one of them begun twice
    assert any("at 2 of 5" in note for note in run.notes)
    rows = "from interventions order by all"
    assert warehouse.sql(rows).fetchall() == whole.sql(rows).fetchall()


def test_what_is_stored_is_left_alone_until_the_attributions_change(warehouse, models):
    model = models["masked"]
    assert len(ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",)))) == 1
    assert ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",))) == []
    assert len(ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero", "double")))) == 1
    assert len(ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",), t=0.4))) == 1
    ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("linspace",), steps=4))
    assert ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",), t=0.4)) == []
    other = AttributionSettings(rules=("riemann",), steps=3)
    with pytest.raises(UsageError, match="interventions of .* earlier attributions"):
        ingest_attributions(warehouse, model, "cities", other)
    ingest_attributions(warehouse, model, "cities", other, again=True)
    assert warehouse.sql("select count(*) from interventions").fetchall() == [(0,)]
    assert len(ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero", "double")))) == 2
    assert len(ingest_interventions(warehouse, model, "cities", InterventionSettings(("zero",)), again=True)) == 1


def test_rules_stand_side_by_side(warehouse, models):
    model = models["masked"]
    settings = InterventionSettings(("zero",), 0.3, 0.5, 3)
    ingest_interventions(warehouse, model, "cities", settings)
    before = warehouse.sql("from interventions order by all").fetchall()
    with pytest.raises(UsageError, match=r"no attributions of cities by relp .* those by riemann: .* --rule relp"):
        ingest_interventions(warehouse, model, "cities", replace(settings, rules=("relp",)))
    ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("relp", "gradient")))
    assert warehouse.sql("from interventions order by all").fetchall() == before
    assert len(ingest_interventions(warehouse, model, "cities", replace(settings, rules=("riemann", "relp")))) == 1
    assert warehouse.sql("from interventions where rule = 'riemann' order by all").fetchall() == before
    assert ingest_interventions(warehouse, model, "cities", replace(settings, rules=("relp",))) == []
    # the first rule is what is asked for without a name, and what is counted is what relp selected
    counts = "select distinct concept, n_neurons from interventions_of({}) where arm = 'contributing' order by all"
    sets = "select concept, count(*) from knowledge_neurons_at(0.3, 0.5, {}) group by 1 order by 1"
    for rule in ("null", "'relp'"):
        assert warehouse.sql(counts.format(rule)).fetchall() == warehouse.sql(sets.format(rule)).fetchall()
    assert warehouse.sql("select distinct rule from interventions_of()").fetchall() == [("riemann",)]
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    with pytest.raises(UsageError, match="interventions of .* earlier attributions"):
        ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("riemann",), steps=3))


def test_probability_0_before_is_stored_and_counted(warehouse, models, monkeypatch):
    from nwh.ingest.knowledge import intervention_inputs

    real = intervention_inputs.answer_scores
    monkeypatch.setattr(intervention_inputs, "answer_scores", lambda *a: [(0.0, rank) for _, rank in real(*a)])
    (run,) = ingest_interventions(warehouse, models["masked"], "cities", InterventionSettings(("zero",)))
    n = warehouse.sql("select count(*) from interventions where p_before = 0").fetchall()[0][0]
    assert n > 0
    assert any(f"{n:,} rows have probability 0 before" in note for note in run.notes)


def test_wrong_use(empty, tmp_path, models):
    model = models["masked"]
    with pytest.raises(UsageError, match="no data set 'cities'"):
        ingest_interventions(empty, model, "cities")
    add(empty, tmp_path, model)
    other = load(str(save_masked(tmp_path / "other", seed=3)), head=True, device="cpu")
    with pytest.raises(
        UsageError, match="no attributions of cities for other@main: `nwh ingest attributions --model .*other"
    ):
        ingest_interventions(empty, other, "cities")
    path = tmp_path / "changed.jsonl"
    path.write_text('{"text": "[MASK] is", "answer": "rome"}\n')
    ingest_prompts(empty, str(path), "cities", again=True)
    with pytest.raises(UsageError, match="no attributions of cities"):
        ingest_interventions(empty, model, "cities")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"operations": ("flip",)}, "operation 'flip' is not known: use zero, replace, double"),
        ({"t": 0.01}, "--t must be from 0.05"),
        ({"p": 0.0}, "--p must be above 0"),
        ({"negatives": -1}, "--negatives must be at least 0"),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(UsageError, match=message):
        InterventionSettings(**values)
