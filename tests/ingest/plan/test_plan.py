"""Estimates against what the jobs then do: units, memory, disk; what is left alone; arithmetic by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.memory_plan import State
from nwh.ingest.knowledge import reading
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.models import load
from nwh.ingest.plan import knowledge as plan
from nwh.ingest.plan import studies
from nwh.ingest.plan.activations import plan_activations
from nwh.ingest.plan.estimate import Estimate, Timing, enough, lines
from nwh.ingest.plan.knowledge import plan_attributions, plan_interventions
from nwh.ingest.plan.shards import shard_cost
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.shard import Shard
from tests.device.shapes import TINY_BERT, TINY_PYTHIA
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, WORDS, save_masked

RULES = AttributionSettings(rules=("riemann",), steps=4)


@pytest.fixture(scope="module")
def cities(tmp_path_factory):
    """A warehouse with prompts, and a masked model that reads them."""
    folder = tmp_path_factory.mktemp("cities")
    warehouse = Warehouse.create(folder / "warehouse")
    texts = ("[MASK] is the capital of {}", "the capital of {} is [MASK]", "we see [MASK] in {}", "old [MASK] in {}")
    facts = [(text.format(country), city) for city, country in zip(CITIES, COUNTRIES, strict=True) for text in texts]
    lines = (json.dumps({"text": text, "answer": city}) + "\n" for text, city in facts)
    (folder / "cities.jsonl").write_text("".join(lines))
    ingest_prompts(warehouse, str(folder / "cities.jsonl"), "cities", PromptSettings(paraphrases=0))
    return warehouse, load(str(save_masked(folder / "masked")), head=True, device="cpu")


def test_activations_are_estimated_as_they_are_then_stored(tmp_path, tiny_bert, add_corpus):
    warehouse, model = Warehouse.create(tmp_path), load(str(tiny_bert), device="cpu")
    add_corpus(warehouse, "one", 150)
    before = warehouse.sql("from runs").fetchall()
    settings = Settings(k=60, sample=50, layers=(0, 1))
    (estimate,) = plan_activations(warehouse, model, ["one"], settings, Timing(0.2))
    (given,) = plan_activations(warehouse, model, ["one"], settings, Timing(rate=50.0))
    assert min(estimate.stage, estimate.merge) > given.stage == given.merge == 0
    assert "a shard stages" in estimate.note
    assert warehouse.sql("from runs").fetchall() == before
    (run,) = ingest_activations(warehouse, model, ["one"], settings)
    ((n,),) = warehouse.sql("select n_sentences from corpora").fetchall()
    files = [path for path in Path(tmp_path).rglob("*.parquet") if "neuron_topk" in str(path)]
    assert estimate.units == given.units == n
    assert estimate.disk == pytest.approx(sum(path.stat().st_size for path in files), rel=0.5)  # tiny files
    assert given.seconds() == pytest.approx(n / 50 * 2 / model.checkpoint.n_layers)
    planned = next(note for note in run.notes if note.startswith("the state of"))
    assert planned in estimate.note
    assert planned in given.note
    weights = sum(parameter.nbytes for parameter in model.module.parameters())
    assert estimate.memory > weights


def test_a_shard_is_estimated_as_it_is_then_staged(tmp_path, tiny_bert, add_corpus):
    warehouse, model = Warehouse.create(tmp_path), load(str(tiny_bert), device="cpu")
    add_corpus(warehouse, "one", 150)
    settings = Settings(k=60, sample=50, aggregate="max")
    assert ingest_activations(warehouse, model, ["one"], settings, shard=Shard(2, 2)) == []
    widths = {(site, layer): {"hidden": 16, "ffn": 24}[site] for site in ("hidden", "ffn") for layer in range(3)}
    files = [path for path in Path(tmp_path, "staging").rglob("*-[012]") if path.is_file()]
    assert len(files) == len(widths)
    cost = shard_cost(widths, State(60, 50, True, False))
    assert cost.bytes == pytest.approx(sum(path.stat().st_size for path in files), rel=0.15)


def test_attributions_and_interventions_are_estimated_as_they_are_then_stored(cities):
    warehouse, model = cities
    estimate = plan_attributions(warehouse, model, "cities", RULES, Timing(0.2))
    two = AttributionSettings(rules=("riemann",), steps=4, concepts=tuple(CITIES[:2]))
    assert plan_attributions(warehouse, model, "cities", two, Timing(rate=4.0)).seconds() == 8 / 4
    with pytest.raises(UsageError, match="no attributions of cities"):
        plan_interventions(warehouse, model, "cities", InterventionSettings(), Timing(0.2))
    ingest_attributions(warehouse, model, "cities", RULES)
    assert estimate.units == warehouse.sql("select count(*) from prompt_scores").fetchall()[0][0]
    settings = InterventionSettings(operations=("zero", "double"), negatives=3)
    (changes,) = plan_interventions(warehouse, model, "cities", settings, Timing(0.2))
    (given,) = plan_interventions(warehouse, model, "cities", settings, Timing(rate=100.0))
    ingest_interventions(warehouse, model, "cities", settings)
    n = warehouse.sql("select count(*) from interventions").fetchall()[0][0]
    assert changes.units == given.units == n > 0
    assert given.seconds() == n / 100
    assert min(each.per_second for each in (estimate, changes)) > 0


@pytest.fixture
def asked(monkeypatch):
    """Numbers of prompts about which a model was asked whether it knows them."""
    found, scores = [], reading.answer_scores
    monkeypatch.setattr(reading, "answer_scores", lambda model, part: found.append(len(part)) or scores(model, part))
    return found


@pytest.fixture
def words(cities, tmp_path):
    """A warehouse with 8 prompts for each of 25 words, the model, and the probability that half of them have."""
    _, model = cities
    warehouse = Warehouse.create(tmp_path / "warehouse")
    texts = [f"{one} [MASK] {two}" for one in ("the", "we see") for two in (*COUNTRIES[:2], "is old", "lies in a city")]
    facts = (json.dumps({"text": text, "answer": word}) + "\n" for word in WORDS for text in texts)
    (tmp_path / "words.jsonl").write_text("".join(facts))
    ingest_prompts(warehouse, str(tmp_path / "words.jsonl"), "words", PromptSettings(paraphrases=0))
    rows, _ = stored_prompts(warehouse, "words")
    scores = sorted(p for p, _ in reading.answer_scores(model, read_prompts(model, rows).inputs))
    return warehouse, model, scores[len(scores) // 2]


def test_what_a_model_does_not_know_is_not_counted(words, asked, monkeypatch):
    warehouse, model, least = words
    some = replace(RULES, min_probability=least)
    all_asked = plan_attributions(warehouse, model, "words", some, Timing(5))
    assert asked == [200]
    ingest_attributions(warehouse, model, "words", some)
    ((stored,),) = warehouse.sql("select count(*) from prompt_scores").fetchall()
    assert all_asked.units == stored < 100  # a concept of which it knows fewer than 4 is left out
    assert plan_attributions(warehouse, model, "words", some, Timing(rate=5.0)).units == 200
    monkeypatch.setattr(plan, "BLOCK", 64)
    drawn = plan_attributions(warehouse, model, "words", some, Timing(5))
    assert asked[-1] == 128
    assert "of 128 prompts drawn are known" in drawn.note
    assert drawn.units == pytest.approx(stored, abs=200 * 0.2)
    with pytest.raises(UsageError, match=r"0% of .* known at --min-probability 0.99"):
        plan_attributions(warehouse, model, "words", replace(RULES, min_probability=0.99), Timing())


def test_a_plan_of_interventions_asks_about_some_prompts_of_other_concepts(words, asked, monkeypatch):
    warehouse, model, least = words
    ingest_attributions(warehouse, model, "words", replace(RULES, min_probability=least))
    found = warehouse.sql("select distinct concept from prompts semi join prompt_scores using (dataset, prompt_id)")
    concepts = tuple(sorted(concept for (concept,) in found.fetchall()))
    settings = InterventionSettings(operations=("zero",), negatives=1000)  # all that it knows
    del asked[:]
    (whole,) = plan_interventions(warehouse, model, "words", settings, Timing(0.1))
    assert asked == []  # what was attributed is known
    few = replace(RULES, min_probability=least, concepts=concepts[:3])
    ingest_attributions(warehouse, model, "words", few, again=True)
    monkeypatch.setattr(plan, "BLOCK", 64)
    del asked[:]
    (drawn,) = plan_interventions(warehouse, model, "words", settings, Timing(5))
    assert asked == [128]
    assert "of 128 prompts drawn are known" in drawn.note
    del asked[:]
    ingest_interventions(warehouse, model, "words", settings)
    assert asked == [22 * 8]
    ((n,),) = warehouse.sql("select count(*) from interventions").fetchall()
    assert drawn.units == pytest.approx(n, rel=0.4)
    assert whole.units > drawn.units


def test_machines_share_units_and_nothing_else():
    one = Estimate("activations", "m a", 1000, "sentences", 10.0, 5.0, 2_000_000_000, 10, "")
    two = replace(one, units=500, memory=3_000_000_000)
    assert [one.seconds(), one.seconds(4)] == [105, 30]
    names, rows = lines([one, two], 4)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert [row["seconds"] for row in found] == [105, 55, 160]
    assert [row["seconds_on_4"] for row in found] == [30, 17.5, 47.5]
    assert [row["memory_gb"] for row in found] == [2, 3, 3]
    assert "seconds_on_1" not in lines([one], 1)[0]
    merged = replace(one, stage=1.0, merge=0.5)
    assert [merged.seconds(), merged.seconds(4)] == [105, 30 + 2 * 1 + 8 * 0.5]
    assert [enough(4, taken, 10, 100) for taken in (1, 20, 0.1)] == [40, 4, 100]


def test_studies_from_given_constants_are_the_arithmetic_of_their_programs():
    (a,) = studies.study_a("cpu", "float32", Settings(k=10_000), Timing(rate=20_000))
    assert a.seconds() == 82e6 / 20_000
    assert a.disk == pytest.approx(6 * 46_080 * 2 * 10_000 * 4.5)
    first, second, *others = studies.study_b("cpu", "float32", "shown", Timing(rate=20))
    assert (first.units, first.seconds()) == (4207 * 4 * 13, pytest.approx(4207 * 4 * 13 / 20))
    assert second.units == 4207 * 14 * 2 * 3 * 13
    assert [each.units for each in others] == [1406 * 4 * 13, 1406 * 14 * 2 * 3 * 13] * 3
    small, large = (each.per_second for each in (others[0], others[-2]))
    assert small > large > first.per_second  # a causal row carries one token


def test_studies_are_timed_on_models_of_the_shapes(monkeypatch):
    monkeypatch.setattr(studies, "BERT_BASE", TINY_BERT)
    for name in ("PYTHIA_70M", "PYTHIA_160M", "PYTHIA_410M"):
        monkeypatch.setattr(studies, name, TINY_PYTHIA)
    monkeypatch.setattr(studies, "_MADE", 32)
    found = list(studies.study_b("cpu", "float32", "all", Timing(0.05)))
    assert len(found) == 8
    assert found[0].units == 4207 * 4 * 28
    assert found[-1].units == 1406 * 14 * 2 * 3 * 154
    assert all("calibrated on" in each.note and each.per_second > 0 and each.disk > 0 for each in found)
