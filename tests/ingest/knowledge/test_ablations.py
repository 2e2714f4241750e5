"""The job against rules and single ablations by plain hooks; its draw, resumption and refusals."""

from __future__ import annotations

import json

import pytest

from nwh.ingest.knowledge import ablations as job
from nwh.ingest.knowledge.ablations import AblationSettings, ingest_ablations
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.models import load
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.knowledge.by_hand import path, score_by_hand
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_masked

TEMPLATES = ["[MASK] is the capital of {}", "the capital of {} is [MASK]", "we see [MASK] in {}", "old [MASK] in {}"]
RULES = ("gradient", "relp", "riemann")
QUERY = "select prompt_id, rule, layer, neuron, attribution, effect from ablations order by all"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(str(save_masked(tmp_path_factory.mktemp("model") / "masked")), head=True, device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("stored")
    made = Warehouse.create(folder / "warehouse")
    facts = zip(CITIES, COUNTRIES, strict=True)
    rows = [{"text": text.format(country), "answer": city} for city, country in facts for text in TEMPLATES]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_prompts(made, str(folder / "p.jsonl"), "cities", PromptSettings(paraphrases=0))
    ingest_attributions(made, model, "cities", AttributionSettings(rules=RULES, steps=4))
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def test_the_best_neurons_of_each_rule_are_ablated_one_at_a_time(warehouse, model):
    run = ingest_ablations(warehouse, model, "cities", AblationSettings(best=5))
    found = warehouse.sql(QUERY).fetchall()
    prompts = {p.prompt_id: p for p in read_prompts(model, stored_prompts(warehouse, "cities")[0]).inputs}
    assert {row[0] for row in found} == prompts.keys()
    for prompt_id, prompt in list(prompts.items())[::6]:
        probability, _, values = score_by_hand(model, prompt)
        gradients = {(at, n): v for at in range(2) for n, v in enumerate(path(model, prompt, at, [1.0])[0][0].tolist())}
        rows = [row for row in found if row[0] == prompt_id]
        union = {row[2:4] for row in rows}
        assert len(rows) == 3 * len(union)
        assert 5 <= len(union) <= 15
        assert set(sorted(gradients, key=gradients.get, reverse=True)[:5]) <= union
        for _, rule, layer, neuron, attribution, effect in rows:

            def change(at, now, layer=layer, neuron=neuron):
                now = now.clone()
                now[:, neuron] *= at != layer
                return now

            without = score_by_hand(model, prompt, change)[0]
            assert effect == pytest.approx(probability - without, rel=1e-3, abs=1e-5 * probability)
            if rule == "gradient":
                assert attribution == pytest.approx(gradients[layer, neuron], rel=1e-3, abs=1e-6)
        assert values.shape == (2, 24)
    assert run.settings["attributions"]["rules"].keys() == set(RULES)
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    agreement = warehouse.sql("select rule, n_prompts, spearman from rule_agreement_distribution order by 1").fetchall()
    assert [row[:2] for row in agreement] == [(rule, 20) for rule in RULES]
    assert agreement[0][2] > 0.5  # the gradient is the first order of what ablation does


def test_a_draw_and_what_is_stored(warehouse, model):
    settings = AblationSettings(best=3, prompts=7)
    ingest_ablations(warehouse, model, "cities", settings)
    drawn = warehouse.sql("select distinct prompt_id from ablations order by 1").fetchall()
    assert len(drawn) == 7
    assert ingest_ablations(warehouse, model, "cities", settings) is None
    ingest_ablations(warehouse, model, "cities", AblationSettings(best=3, prompts=9))
    assert set(drawn) <= set(warehouse.sql("select distinct prompt_id from ablations").fetchall())
    with pytest.raises(UsageError, match="ablations of .* earlier attributions"):
        ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("riemann",), steps=3))
    ingest_attributions(warehouse, model, "cities", AttributionSettings(rules=("logit",)))
    assert warehouse.sql("select count(distinct rule) from ablations").fetchall() == [(3,)]
    ingest_ablations(warehouse, model, "cities", settings)
    assert warehouse.sql("select count(distinct rule) from ablations").fetchall() == [(4,)]


def test_an_interrupted_run_goes_on(warehouse, model, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "BLOCK", 8)
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    ingest_ablations(whole, model, "cities", AblationSettings(best=3))
    real, seen = job.ablate, []

    def until_interrupted(model, prompts, *others):
        seen.append(len(prompts))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(model, prompts, *others)

    monkeypatch.setattr(job, "ablate", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_ablations(warehouse, model, "cities", AblationSettings(best=3))
    ingest_ablations(warehouse, model, "cities", AblationSettings(best=3))
    assert seen == [8, 8, 8, 4]
    assert warehouse.sql(QUERY).fetchall() == whole.sql(QUERY).fetchall()


def test_wrong_use(warehouse, model, tmp_path):
    with pytest.raises(UsageError, match="--best 49, and the 2 layers of masked have 48 neurons in all: use fewer"):
        ingest_ablations(warehouse, model, "cities", AblationSettings(best=49))
    assert ingest_ablations(warehouse, model, "cities", AblationSettings(best=48, prompts=2))
    for wrong, said in (({"best": 0}, "--best must be at least 1"), ({"prompts": -1}, "--prompts must be at least 0")):
        with pytest.raises(UsageError, match=said):
            AblationSettings(**wrong)
    with pytest.raises(UsageError, match="no data set 'towns'"):
        ingest_ablations(warehouse, model, "towns")
    other = load(str(save_masked(tmp_path / "other")), name="other", head=True, device="cpu")
    with pytest.raises(UsageError, match="no attributions of cities for other@main: `nwh ingest attributions"):
        ingest_ablations(warehouse, other, "cities")
