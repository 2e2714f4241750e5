"""The job against the plain computation with transformers' own forward, interrupted, repeated, refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from nwh.ingest.knowledge import attributions as job
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.reading import read_prompts, unrelated_prompt
from nwh.ingest.models import load
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.prompts.stored import stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, ModelError, UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import Noting
from tests.ingest.knowledge.by_hand import path, score_by_hand
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_causal, save_masked, save_t5

TABLES = ["prompt_scores", "attributions", "attribution_quality"]
MASKED = [
    "[MASK] is the capital of {}.",
    "the capital of {} is [MASK]",
    "we see [MASK] in {}",
    "what is old [MASK] in {}",
]
CAUSAL = ["x capital of {} is", "x we see in {} old", "x what is the city in {}", "x {} lies in the"]
RIEMANN = AttributionSettings(rules=("riemann",), steps=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def masked(folder):
    return load(str(save_masked(folder / "masked")), head=True, device="cpu")


@pytest.fixture(scope="module")
def causal(folder):
    return load(str(save_causal(folder / "causal", bos=True)), head=True, device="cpu")


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse.create(tmp_path / "warehouse")
    add_prompts(made, tmp_path)
    return made


def add_prompts(warehouse, tmp_path, templates=MASKED, dataset="cities", n=3, again=False):
    facts = list(zip(CITIES, COUNTRIES, strict=True))[:n]
    rows = [{"text": text.format(country), "answer": city} for city, country in facts for text in templates]
    rows.append({"text": templates[0].format("zanzibar"), "answer": "timbuktu"})
    path = tmp_path / f"{dataset}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_prompts(warehouse, str(path), dataset, PromptSettings(paraphrases=0), again=again)


def rows(warehouse):
    return {name: warehouse.sql(f"from {name} order by all").fetchall() for name in TABLES}


def readable(warehouse, model, dataset="cities"):
    found, _ = stored_prompts(warehouse, dataset)
    return {prompt.prompt_id: prompt for prompt in read_prompts(model, found).inputs}


@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_what_is_stored_equals_the_plain_computation(warehouse, tmp_path, kind, request):
    model = request.getfixturevalue(kind)
    add_prompts(warehouse, tmp_path, MASKED if kind == "masked" else CAUSAL)
    run = ingest_attributions(warehouse, model, "cities", RIEMANN)
    prompts = readable(warehouse, model)
    assert len(prompts) == 12
    scores = {
        row[0]: row[1:] for row in warehouse.sql("select prompt_id, probability, rank from prompt_scores").fetchall()
    }
    assert scores.keys() == prompts.keys()
    for prompt_id, prompt in list(prompts.items())[::3]:
        of_layers = [path(model, prompt, layer, [0, 0.2, 0.4, 0.6, 0.8, 1]) for layer in range(2)]
        wanted = torch.stack([products[1:].mean(0) for products, _ in of_layers])
        expected = torch.stack([at[-1] - at[0] for _, at in of_layers])
        probability, rank, _ = score_by_hand(model, prompt)
        assert scores[prompt_id] == (pytest.approx(probability, rel=1e-5), rank)
        found = torch.zeros_like(wanted)
        for layer, neuron, value in warehouse.sql(
            "select layer, neuron, attribution from attributions where prompt_id = $1", [prompt_id]
        ).fetchall():
            found[layer, neuron] = value
        kept = wanted >= 0.05 * wanted.max()
        torch.testing.assert_close(found, wanted * kept, rtol=1e-3, atol=1e-4 * float(wanted.max()))
        quality = warehouse.sql(
            "select layer, rule, evaluations, max_attribution, completeness_error from attribution_quality "
            "where prompt_id = $1 order by layer",
            [prompt_id],
        ).fetchall()
        assert [(layer, rule) for layer, rule, *_ in quality] == [(0, "riemann"), (1, "riemann")]
        assert all(evaluations >= 5 for _, _, evaluations, *_ in quality)
        highest, error = np.array([row[3:] for row in quality]).T
        np.testing.assert_allclose(highest, wanted.max(1).values, rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(error, (wanted.sum(1) - expected).abs(), rtol=0.05, atol=1e-5)
    assert (run.settings["rules"]["riemann"]["steps"], run.settings["floor"]) == (5, 0.05)
    assert warehouse.sql("select model, objective from checkpoints").fetchall() == [
        (kind, {"masked": "mlm", "causal": "clm"}[kind])
    ]
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_adaptive_runs_by_default_and_says_which_layers_did_not_converge(warehouse, masked, monkeypatch):
    ingest_attributions(warehouse, masked, "cities")
    assert warehouse.sql("select distinct rule from attribution_quality").fetchall() == [("adaptive",)]
    real = job.attribute

    def unfinished(*arguments):
        for i, found in real(*arguments):
            yield i, [replace(found[0], completeness_error=(0.0, 0.9 * (i < 2)), converged=(True, i >= 2))]

    monkeypatch.setattr(job, "attribute", unfinished)
    run = ingest_attributions(warehouse, masked, "cities", again=True)
    (note,) = [note for note in run.notes if "did not converge" in note]
    assert note.startswith("2 of 24 integrals (prompt x layer) of adaptive")
    assert "; layers 1. The largest completeness error is 0.9" in note


def test_prompts_left_out_are_counted_and_listed(warehouse, masked):
    progress = Noting()
    run = ingest_attributions(warehouse, masked, "cities", RIEMANN, verbose=True, progress=progress)
    assert any(
        "1 prompts of 1 concepts left out: their answer is not in the model's vocabulary" in n for n in run.notes
    )
    assert any(note.startswith("timbuktu: 1 prompts left out") for note in progress.notes)
    assert not any("timbuktu" in note for note in run.notes)
    assert run.versions["dtype"] == "float32"


def test_an_interrupted_run_goes_on_from_its_blocks_of_prompts(warehouse, masked, monkeypatch, tmp_path):
    monkeypatch.setattr(job, "BLOCK", 5)
    whole = Warehouse.create(tmp_path / "whole")
    add_prompts(whole, tmp_path)
    ingest_attributions(whole, masked, "cities", RIEMANN)
    real, seen = job.attribute, []

    def until_interrupted(model, prompts, *others):
        seen.append(len(prompts))
        for n, found in enumerate(real(model, prompts, *others)):
            if len(seen) == 2 and n == 1:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(job, "attribute", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_attributions(warehouse, masked, "cities", RIEMANN)
    assert not any(rows(warehouse).values())
    run = ingest_attributions(warehouse, masked, "cities", RIEMANN)
    assert seen == [5, 5, 5, 2]
    assert any("at 5 of 12" in note for note in run.notes)
    assert rows(warehouse) == rows(whole)
    assert run.model_seconds > 0
    assert warehouse.storage.staged_places() == []


def test_what_is_stored_is_left_alone_until_something_changes(warehouse, masked, tmp_path):
    assert ingest_attributions(warehouse, masked, "cities", RIEMANN)
    assert ingest_attributions(warehouse, masked, "cities", RIEMANN) is None
    assert (
        ingest_attributions(
            warehouse, masked, "cities", AttributionSettings(rules=("riemann",), steps=5, concepts=("rome",))
        )
        is None
    )
    before = rows(warehouse)
    assert ingest_attributions(warehouse, masked, "cities", RIEMANN, again=True)
    assert rows(warehouse) == before
    assert ingest_attributions(warehouse, masked, "cities", AttributionSettings(rules=("linspace",), steps=5))
    with pytest.raises(UsageError, match="earlier prompts of data set cities"):
        add_prompts(warehouse, tmp_path, n=4)
    add_prompts(warehouse, tmp_path, n=4, again=True)
    assert ingest_attributions(warehouse, masked, "cities", AttributionSettings(rules=("linspace",), steps=5))
    assert warehouse.sql("select count(*) from prompt_scores").fetchall() == [(16,)]


def test_some_concepts_never_take_the_place_of_others_unasked(warehouse, masked):
    some = AttributionSettings(rules=("riemann",), steps=5, concepts=("rome", "paris"))
    ingest_attributions(warehouse, masked, "cities", some)
    concepts = "select distinct concept from attributions order by 1"
    assert warehouse.sql(concepts).fetchall() == [("paris",), ("rome",)]
    one = AttributionSettings(rules=("linspace",), steps=5, concepts=("london",))
    with pytest.raises(UsageError, match="stored for 2 concepts such as 'paris', which this run would remove"):
        ingest_attributions(warehouse, masked, "cities", one)
    more = AttributionSettings(rules=("riemann",), steps=5, concepts=("rome", "paris", "london"))
    assert ingest_attributions(warehouse, masked, "cities", more)
    assert ingest_attributions(warehouse, masked, "cities", RIEMANN)
    with pytest.raises(UsageError, match="stored for all concepts of the data set"):
        ingest_attributions(warehouse, masked, "cities", one)
    assert ingest_attributions(warehouse, masked, "cities", one, again=True)
    assert warehouse.sql(concepts).fetchall() == [("london",)]


def test_rules_stand_side_by_side_and_later_ones_leave_earlier_rows_alone(warehouse, masked, monkeypatch):
    ingest_attributions(warehouse, masked, "cities", RIEMANN)
    before, asked, real = rows(warehouse), [], job.attribute

    def noted(model, prompts, rules, baseline):
        asked.append([rule.name for rule in rules])
        return real(model, prompts, rules, baseline)

    monkeypatch.setattr(job, "attribute", noted)
    three = replace(RIEMANN, rules=("gradient", "riemann", "relp"))
    ingest_attributions(warehouse, masked, "cities", three)
    assert asked == [["gradient", "relp"]]
    for name in ("attributions", "attribution_quality"):
        own = warehouse.sql(f"from {name} where rule = 'riemann' order by all").fetchall()
        assert own == before[name]
    assert rows(warehouse)["prompt_scores"] == before["prompt_scores"]
    figures = "select rule, min(evaluations), max(evaluations), count(completeness_error), count(distinct prompt_id) "
    assert warehouse.sql(figures + "from attribution_quality group by 1 order by 1").fetchall() == [
        ("gradient", 1, 1, 0, 12), ("relp", 1, 1, 0, 12), ("riemann", 5, 5, 24, 12)
    ]  # fmt: skip
    assert ingest_attributions(warehouse, masked, "cities", RIEMANN) is None
    assert ingest_attributions(warehouse, masked, "cities", replace(RIEMANN, rules=("relp",))) is None
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    # a rule with other numbers takes its own place alone; other settings would take everyone's
    ingest_attributions(warehouse, masked, "cities", replace(RIEMANN, steps=3))
    assert warehouse.sql("select distinct rule, evaluations from attribution_quality order by 1").fetchall() == [
        ("gradient", 1), ("relp", 1), ("riemann", 3)
    ]  # fmt: skip
    with pytest.raises(UsageError, match="other settings and rule gradient, relp, which this run would remove"):
        ingest_attributions(warehouse, masked, "cities", replace(RIEMANN, baseline="replace"))
    ingest_attributions(warehouse, masked, "cities", replace(RIEMANN, rules=("relp",)), again=True)
    assert warehouse.sql("select distinct rule from attributions").fetchall() == [("relp",)]


def test_a_baseline_is_the_unrelated_prompts_activations(warehouse, tmp_path):
    folder = save_causal(tmp_path / "causal", positions=256)
    model = replace(load(str(folder), head=True, device="cpu"), window=256)  # its tokenizer spells the prompt's words
    add_prompts(warehouse, tmp_path, CAUSAL)
    run = ingest_attributions(warehouse, model, "cities", replace(RIEMANN, baseline="replace", rules=("gradient",)))
    assert (run.settings["baseline"], run.settings["rules"]) == ("replace", {"gradient": {}})
    baseline = score_by_hand(model, unrelated_prompt(model))[2]
    for prompt_id, prompt in list(readable(warehouse, model).items())[::5]:
        wanted = torch.stack([path(model, prompt, layer, [1.0], baseline[layer])[0][0] for layer in range(2)])
        found = warehouse.sql("select layer, neuron, attribution from attributions where prompt_id = $1", [prompt_id])
        for layer, neuron, value in found.fetchall():
            assert value == pytest.approx(wanted[layer, neuron].item(), rel=1e-3)


def test_prompts_that_the_model_does_not_know_are_left_out(warehouse, masked):
    ingest_attributions(warehouse, masked, "cities", RIEMANN)
    everything = rows(warehouse)
    scores = "select prompt_id, probability from prompt_scores order by 2"
    found = warehouse.sql(scores).fetchall()
    least = found[4][1]
    known = {prompt_id for prompt_id, probability in found if probability >= least}
    some = replace(RIEMANN, min_prompts=1, min_probability=least)
    run = ingest_attributions(warehouse, masked, "cities", some)
    assert len(known) == 8
    assert {prompt_id for prompt_id, _ in warehouse.sql(scores).fetchall()} == known
    for name, stored in rows(warehouse).items():
        place = warehouse.sql(f"from {name}").columns.index("prompt_id")
        assert stored == [row for row in everything[name] if row[place] in known]
    assert any(note.startswith("4 prompts of ") and "probability below" in note for note in run.notes)
    with pytest.raises(UsageError, match="finds nothing to attribute in cities: .*probability below 0.99"):
        ingest_attributions(warehouse, masked, "cities", replace(RIEMANN, min_probability=0.99))
    with pytest.raises(UsageError, match="--min-probability must be from 0 to below 1, not 1"):
        replace(RIEMANN, min_probability=1)


def test_checkpoints_stand_side_by_side_and_other_weights_are_refused(warehouse, masked, folder, tmp_path):
    for step, seed in (("step0", 0), ("step10", 1)):
        save_masked(folder / "series" / step, seed)
    for step in ("step0", "step10"):
        ingest_attributions(warehouse, load(str(folder / "series"), step, head=True, device="cpu"), "cities", RIEMANN)
    assert warehouse.sql("select checkpoint, count(*) from prompt_scores group by 1 order by 1").fetchall() == [
        ("step0", 12),
        ("step10", 12),
    ]
    assert warehouse.sql("select count(distinct probability) from prompt_scores").fetchall() == [(24,)]
    other = load(str(folder / "series" / "step10"), name="masked", head=True, device="cpu")
    ingest_attributions(warehouse, masked, "cities", RIEMANN)
    with pytest.raises(UsageError, match="masked@main is stored already"):
        ingest_attributions(warehouse, other, "cities", RIEMANN)


def test_nan_is_refused_and_nothing_is_stored(warehouse, folder):
    model = load(str(save_masked(folder / "broken")), head=True, device="cpu")
    with torch.no_grad():
        model.module.bert.encoder.layer[1].output.dense.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="NaN|not numbers|not a number"):
        ingest_attributions(warehouse, model, "cities", RIEMANN)
    assert not any(rows(warehouse).values())


def test_a_score_that_is_not_finite_names_the_prompt(warehouse, masked, monkeypatch):
    real = job.attribute

    def broken(*arguments):
        for i, found in real(*arguments):
            found[0].scores[1, 3] = float("inf")
            yield i, found

    monkeypatch.setattr(job, "attribute", broken)
    with pytest.raises(ModelError, match=r"prompt \d+ \(concept '\w+'\) by riemann is NaN or infinite in layer 1"):
        ingest_attributions(warehouse, masked, "cities", RIEMANN)


def test_a_prompt_without_positive_attribution_keeps_its_score(warehouse, masked, monkeypatch):
    real = job.attribute

    def negative(*arguments):
        for i, found in real(*arguments):
            if i == 0:
                found[0].scores.copy_(-found[0].scores.abs())
            yield i, found

    monkeypatch.setattr(job, "attribute", negative)
    run = ingest_attributions(warehouse, masked, "cities", RIEMANN)
    counts = "select count(distinct prompt_id) from "
    assert warehouse.sql(counts + "prompt_scores").fetchall() == [(12,)]
    assert warehouse.sql(counts + "attributions").fetchall() == [(11,)]
    assert any("1 prompts have no neuron with a positive attribution" in note for note in run.notes)


def test_wrong_use(warehouse, masked, causal, tmp_path):
    with pytest.raises(UsageError, match="no data set 'towns'.*there are cities"):
        ingest_attributions(warehouse, masked, "towns", RIEMANN)
    with pytest.raises(UsageError, match="data set cities has no concept 'oslo'"):
        ingest_attributions(warehouse, masked, "cities", AttributionSettings(concepts=("rome", "oslo")))
    with pytest.raises(UsageError, match="--answer all is for causal and T5"):
        ingest_attributions(warehouse, masked, "cities", AttributionSettings(answer="all"))
    with pytest.raises(UsageError, match="rule 'simpson' is not known"):
        AttributionSettings(rules=("simpson",))
    with pytest.raises(UsageError, match="--min-prompts must be at least 1"):
        AttributionSettings(min_prompts=0)
    add_prompts(warehouse, tmp_path, CAUSAL, "questions")
    with pytest.raises(
        UsageError, match="masked finds nothing to attribute in questions: .*cannot read prompts that end before"
    ):
        ingest_attributions(warehouse, masked, "questions", RIEMANN)
    unit = "attributions/model=masked/checkpoint=main/dataset=cities"
    with warehouse.storage.locks.hold(unit, {"run_id": "other"}), pytest.raises(BusyError, match="run other"):
        ingest_attributions(warehouse, masked, "cities", RIEMANN)


def test_answers_of_several_tokens_and_t5(warehouse, causal, folder, tmp_path):
    path = tmp_path / "long.jsonl"
    texts = ["x capital of italy is", "x we see in italy", "x what lies in italy", "x where is italy"]
    path.write_text("".join(json.dumps({"text": text, "answer": "old rome"}) + "\n" for text in texts))
    ingest_prompts(warehouse, str(path), "long", PromptSettings(paraphrases=0))
    with pytest.raises(UsageError, match="finds nothing to attribute in long: .*--answer all takes longer ones"):
        ingest_attributions(warehouse, causal, "long", RIEMANN)
    ingest_attributions(warehouse, causal, "long", AttributionSettings(rules=("riemann",), steps=5, answer="all"))
    (text, stored) = warehouse.sql(
        "select text, probability from prompt_scores inner join prompts using (prompt_id) order by 1 limit 1"
    ).fetchall()[0]
    ids = causal.tokenizer(f"{text} old rome")["input_ids"]
    with torch.no_grad():
        found = torch.softmax(causal.module(torch.tensor([ids])).logits[0], -1)
    assert stored == pytest.approx(float(found[-3, ids[-2]] * found[-2, ids[-1]]), rel=1e-4)
    t5 = load(str(save_t5(folder / "t5")), head=True, device="cpu")
    run = ingest_attributions(warehouse, t5, "cities", RIEMANN)
    assert any("not in the model's vocabulary" in note for note in run.notes)
    assert warehouse.sql("select count(*) > 0 from attributions where model = 't5'").fetchall() == [(True,)]
