"""Knowledge neurons from the command line: train, prompts, attributions, interventions, questions in SQL."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.ingest.demo.facts import FACTS, fact_answers, fact_sentences, write_prompts
from nwh.warehouse.errors import NwhError, UsageError


@pytest.fixture(scope="module")
def nwh(tmp_path_factory):
    """Return a function that runs a command in this process, over a warehouse with a model trained on facts."""
    place = tmp_path_factory.mktemp("knowledge")
    (place / "facts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in fact_sentences()))
    write_prompts(place / "clm.jsonl", "clm")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(
            app, ["--warehouse", str(place / "w"), *(text.replace("@", f"{place}/") for text in arguments)]
        )
        if done.exception:
            raise done.exception
        return done.stdout

    run("ingest", "corpus", "@facts.jsonl", "--name", "facts")
    run("ingest", "prompts", "@clm.jsonl", "--dataset", "clm")
    run(
        "train-tiny", "@tiny", "--family", "gpt-neox", "--corpus", "facts", "--dataset", "clm", "--layers", "2",
        "--width", "32", "--steps", "12", "--checkpoint", "0,4,12", "--batch-size", "16", "--vocabulary", "600",
    )  # fmt: skip
    run.place = place
    return run


def answer(nwh, query):
    return json.loads(nwh("sql", "--format", "json", query))


def test_a_series_of_checkpoints_is_attributed_and_changed(nwh):
    words = "barley,honey,copper"
    nwh("ingest", "attributions", "--model", "@tiny", "--checkpoint", "all", "--dataset", "clm", "--concepts", words)
    nwh(
        "ingest", "interventions", "--model", "@tiny", "--checkpoint", "step12", "--dataset", "clm",
        "--operation", "zero,double", "--negatives", "3",
    )  # fmt: skip
    per_step = answer(nwh, "select step, count(*) as n from knowledge_neurons_per_concept group by step order by step")
    assert per_step == [{"step": 0, "n": 3}, {"step": 4, "n": 3}, {"step": 12, "n": 3}]
    changed = answer(
        nwh,
        "select operation, arm, polarity, count(*) as prompts from interventions group by all order by all",
    )
    assert [(row["operation"], row["arm"], row["polarity"]) for row in changed] == [
        (operation, arm, polarity)
        for operation in ("double", "zero")
        for arm in ("contributing", "random")
        for polarity in ("negative", "positive")
    ]
    runs = "select count(*) as n from runs where job in ('attributions', 'interventions')"
    before = answer(nwh, runs)
    nwh("ingest", "attributions", "--model", "@tiny", "--checkpoint", "all", "--dataset", "clm", "--concepts", words)
    assert answer(nwh, runs) == before == [{"n": 3 + 2}]


def test_rules_side_by_side_and_what_they_estimate(nwh):
    model = ("--model", "@tiny", "--checkpoint", "step4", "--dataset", "clm")
    only = ("--concepts", "barley,honey,copper")
    nwh("ingest", "attributions", *model, *only, "--rule", "gradient,relp", "--rule", "logit", "--again")
    nwh("ingest", "ablations", *model, "--best", "20", "--prompts", "5")
    nwh("ingest", "faithfulness", *model, "--prompts", "3")
    assert answer(nwh, "select distinct n_prompts as n from faithfulness_areas") == [{"n": 3}]
    nwh("ingest", "interventions", *model, "--operation", "zero", "--rule", "relp")
    query = "select rule, n_prompts from rule_agreement_distribution where checkpoint = 'step4' order by all"
    assert answer(nwh, query) == [{"rule": rule, "n_prompts": 5} for rule in ("gradient", "logit", "relp")]
    query = "select distinct rule from interventions where checkpoint = 'step4'"
    assert answer(nwh, query) == [{"rule": "relp"}]
    for command, said in (
        (("attributions", *model, "--rule", "shapley"), "rule 'shapley' is not known: use adaptive, riemann"),
        (("attributions", *model, "--baseline", "mean"), "--baseline 'mean' is not known: use zero or replace"),
        (("ablations", *model, "--best", "999999"), "--best 999,999, and the 2 layers of tiny have 256 neurons"),
        (("interventions", *model, "--rule", "riemann"), "no attributions of clm by riemann for tiny@step4"),
    ):
        with pytest.raises(UsageError, match=said):
            nwh("ingest", *command)


def test_what_cannot_be_asked_is_said_in_one_line(nwh, tiny_bert):
    (nwh.place / "one.jsonl").write_text(
        "".join(json.dumps({"text": text, "answer": "barley"}) + "\n" for text in ("The wug eats", "It grows"))
    )
    nwh("ingest", "prompts", "@one.jsonl", "--dataset", "one")
    model = ("--model", "@tiny", "--checkpoint", "step4", "--dataset", "one")
    nwh("ingest", "attributions", *model, "--rule", "logit", "--min-prompts", "1")
    headless = ("--model", str(tiny_bert))
    for command, said in (
        (
            ("interventions", *model),
            "all prompts of one have one answer, so none can be negative: .* --negatives 0",
        ),
        (("ablations", *model, "--best", "300"), "--best 300, and the 2 layers of tiny have 256 neurons"),
        (("attributions", *model, "--rule", "shapley"), "rule 'shapley' is not known"),
        (("attributions", *headless, "--dataset", "one"), "has no language-model head"),
        (("weights", *headless), "has no language-model head .*: name one that has"),
    ):
        with pytest.raises(NwhError, match=said) as error:
            nwh("ingest", *command)
        assert "\n" not in str(error.value)
    nwh("ingest", "interventions", *model, "--operation", "zero", "--negatives", "0")
    assert answer(nwh, "select distinct polarity from interventions where dataset = 'one'") == [
        {"polarity": "positive"}
    ]


def test_weights_of_a_series(nwh):
    nwh("ingest", "weights", "--model", "@tiny", "--checkpoint", "all", "--corpus", "facts")
    query = (
        "select checkpoint, count(*) as n, count(frequency_correlation) as f from neuron_weights group by 1 order by 1"
    )
    assert answer(nwh, query) == [{"checkpoint": f"step{step}", "n": 256, "f": 256} for step in (0, 12, 4)]
    with pytest.raises(UsageError, match="no corpus 'brown'"):
        nwh("ingest", "weights", "--model", "@tiny", "--checkpoint", "step4", "--corpus", "brown")


def test_the_training_text_states_facts_as_often_as_planted(nwh):
    nwh("ingest", "counts", "--dataset", "clm", "--count-in", "facts")
    found = answer(nwh, "select fact_id, n_sentences as n from fact_counts")
    assert {row["fact_id"]: row["n"] for row in found} == {fact.fact_id: fact.frequency for fact in FACTS}
    query = "select concept, n_sentences as n from concept_counts"
    planted = {concept: sum(f.frequency for f in FACTS if f.answer == concept) for concept in fact_answers()}
    assert {row["concept"]: row["n"] for row in answer(nwh, query)} == planted


def test_published_lists_stand_beside_ones_own(nwh, tmp_path):
    (tmp_path / "found.json").write_text(json.dumps({"uuid-1": [[0, 5], [1, 7]], "uuid-2": [[1, 7]]}))
    published = ("--from-json", str(tmp_path / "found.json"), "--model", "someone/Tiny", "--checkpoint", "step12")
    nwh("ingest", "attributions", *published, "--dataset", "theirs")
    assert answer(nwh, "select distinct model from published_neurons") == [{"model": "tiny"}]
    rows = answer(nwh, "select concept, layer, neuron from published_neurons order by all")
    assert [tuple(row.values()) for row in rows] == [("uuid-1", 0, 5), ("uuid-1", 1, 7), ("uuid-2", 1, 7)]
    with pytest.raises(UsageError, match="of one checkpoint"):
        nwh("ingest", "attributions", *published, "--checkpoint", "step4", "--dataset", "theirs")


def test_interventions_without_attributions_name_the_command(nwh):
    with pytest.raises(UsageError, match="nwh ingest attributions"):
        nwh("ingest", "interventions", "--model", "@tiny", "--checkpoint", "step4", "--as", "other", "--dataset", "clm")


def test_what_is_stored_needs_no_model_and_other_weights_are_noticed(nwh, monkeypatch):
    """154 checkpoints were loaded to learn that there was nothing to do."""
    model = ("--model", "@tiny", "--checkpoint", "all")
    commands = [
        ("ingest", "activations", *model, "--corpus", "facts", "--k", "5", "--sample", "9"),
        ("ingest", "attributions", *model, "--dataset", "clm", "--concepts", "barley,honey", "--rule", "riemann"),
        ("ingest", "interventions", *model, "--dataset", "clm", "--operation", "zero", "--negatives", "3"),
    ]
    for command in commands:
        nwh(*command, *(["--again"] if command[1] == "attributions" else []))
    before = answer(nwh, "select count(*) as n from runs where job <> 'profiles'")
    with monkeypatch.context() as patch:
        patch.setattr("nwh.ingest.models.series.load", lambda *a, **k: pytest.fail("the model is not needed"))
        for command in commands:
            nwh(*command)
    assert answer(nwh, "select count(*) as n from runs where job <> 'profiles'") == before
    nwh(*commands[0], "--again")
    assert answer(nwh, "select count(*) as n from runs where job <> 'profiles'") == [{"n": before[0]["n"] + 3}]
    place = nwh.place / "tiny"
    shutil.copy(place / "step12" / "model.safetensors", place / "step4" / "model.safetensors")
    for command in commands:
        with pytest.raises(UsageError, match="tiny@step4 is stored already, .* with other weights"):
            nwh(*command)
