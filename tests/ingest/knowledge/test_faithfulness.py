"""The job against sets kept and removed by plain hooks; random sets, the concept's set, resumption and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nwh.ingest.knowledge import faithfulness as job
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.faithfulness import FaithfulnessSettings, ingest_faithfulness, sizes_of
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.models import load
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.knowledge.by_hand import path, score_by_hand
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_causal

TEMPLATES = ["the capital of {} is", "in {} we see", "the old city of {} is", "{} is where we see"]
QUERY = "select * from faithfulness order by all"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(str(save_causal(tmp_path_factory.mktemp("model") / "causal")), head=True, device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("stored")
    made = Warehouse.create(folder / "warehouse")
    facts = zip(CITIES, COUNTRIES, strict=True)
    rows = [{"text": text.format(country), "answer": city} for city, country in facts for text in TEMPLATES]
    lines = [json.dumps({**row, "objective": "clm"}) + "\n" for row in rows]
    (folder / "p.jsonl").write_text("".join(lines))
    ingest_prompts(made, str(folder / "p.jsonl"), "cities", PromptSettings(paraphrases=0))
    ingest_attributions(made, model, "cities", AttributionSettings(rules=("gradient", "logit"), min_prompts=1))
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def with_set(model, prompt, inside, kept):
    """Return the answer's probability with a set, [layers, neurons] bool, kept or removed."""

    def change(layer, now):
        now = now.clone()
        now[:, inside[layer] != kept] = 0
        return now

    return score_by_hand(model, prompt, change)[0]


def test_sets_are_kept_and_removed_as_by_plain_hooks(warehouse, model):
    ingest_faithfulness(warehouse, model, "cities", FaithfulnessSettings(prompts=6))
    prompts = {
        p.prompt_id: p for p in read_prompts(model, stored_prompts(warehouse, "cities")[0], min_prompts=1).inputs
    }
    rows = warehouse.sql(QUERY).pl().to_dicts()
    assert len({row["prompt_id"] for row in rows}) == 6
    sets = warehouse.sql("select concept, layer, neuron from knowledge_neurons_at(0.2, 0.5, by_rule := 'gradient')")
    of_concepts = sets.fetchall()
    checked = 0
    for row in rows:
        if row["rule"] != "gradient" or row["arm"] != "contributing":
            continue
        prompt = prompts[row["prompt_id"]]
        inside = np.zeros((2, 24), bool)
        if row["selection"] == "prompt":
            scores = np.stack([path(model, prompt, layer, [1.0])[0][0].numpy() for layer in range(2)])
            inside.flat[np.argsort(-scores, axis=None, kind="stable")[: row["n_neurons"]]] = True
        else:
            for concept, layer, neuron in of_concepts:
                inside[layer, neuron] |= concept == row["concept"]
        assert inside.sum() == row["n_neurons"]
        assert row["probability"] == pytest.approx(with_set(model, prompt, inside, row["kept"]), rel=1e-3, abs=1e-9)
        checked += row["selection"] == "concept"
    assert checked
    ends = [row for row in rows if row["kept"] and row["n_neurons"] == 48]
    whole = {row["probability"] for row in ends if row["prompt_id"] == prompt.prompt_id}
    assert max(whole) == pytest.approx(min(whole), rel=1e-5)  # all neurons are all neurons, whatever the rule or arm
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    query = "select distinct low, faithfulness, high from faithfulness_curves where kept and share = 1"
    found = warehouse.sql(f"{query} and arm = 'contributing'").fetchall()
    assert found == [(1, 1, 1)]  # with all neurons nothing is lost, whatever the prompts
    areas = warehouse.sql("select rule, arm, n_prompts from faithfulness_areas order by all").fetchall()
    assert areas == [(rule, arm, 6) for rule in ("gradient", "logit") for arm in ("contributing", "random")]


def test_sizes_go_from_a_ten_thousandth_to_all_in_steps_of_half_a_tenfold():
    assert sizes_of(100_000) == [0, 10, 32, 100, 316, 1000, 3162, 10_000, 31_623, 100_000]
    assert sizes_of(48) == [0, 1, 2, 5, 15, 48]


def test_random_sets_have_as_many_neurons_in_each_layer():
    import torch

    places = torch.arange(48, dtype=torch.int32).view(2, 24)[:, torch.randperm(24)]
    shuffled = job._shuffled(places, np.random.default_rng(0))
    assert not torch.equal(places, shuffled)
    for size in (1, 10, 30):
        assert torch.equal((shuffled < size).sum(1), (places < size).sum(1))


def test_an_interrupted_run_goes_on_and_a_stored_one_is_left_alone(warehouse, model, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "BLOCK", 4)
    settings = FaithfulnessSettings(prompts=10)
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    ingest_faithfulness(whole, model, "cities", settings)
    assert ingest_faithfulness(whole, model, "cities", settings) is None
    real, seen = job.answers_of_sets, []

    def until_interrupted(model, prompts, *others):
        seen.append(len(prompts))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(model, prompts, *others)

    monkeypatch.setattr(job, "answers_of_sets", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_faithfulness(warehouse, model, "cities", settings)
    ingest_faithfulness(warehouse, model, "cities", settings)
    assert seen == [4, 4, 4, 2]
    assert warehouse.sql(QUERY).fetchall() == whole.sql(QUERY).fetchall()


def test_wrong_use(warehouse, model):
    with pytest.raises(UsageError, match="--prompts must be at least 0"):
        FaithfulnessSettings(prompts=-1)
    with pytest.raises(UsageError, match="no data set 'towns'"):
        ingest_faithfulness(warehouse, model, "towns")
