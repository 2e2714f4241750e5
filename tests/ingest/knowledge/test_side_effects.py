"""The job against plain forward passes over the same sentences; its draw, resumption and refusals."""

from __future__ import annotations

import json

import pytest
import torch

from nwh.ingest.knowledge import side_effects as job
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.intervention_inputs import InterventionInputs, Selection
from nwh.ingest.knowledge.neutral_text import neutral_inputs
from nwh.ingest.knowledge.side_effects import SideEffectSettings, ingest_side_effects
from nwh.ingest.models import load
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.knowledge.by_hand import logits_by_hand
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, WORDS, save_causal, save_masked, save_t5

PROMPTS = {
    "masked": ["[MASK] is the capital of {}", "we see [MASK] in {}"],
    "causal": ["the capital of {} is", "in {} we see"],
}
QUERY = "select * from side_effects order by all"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    saved = {"masked": save_masked(folder / "masked"), "causal": save_causal(folder / "causal")}
    return {name: load(str(path), head=True, device="cpu") for name, path in saved.items()}


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("stored")
    made = Warehouse.create(folder / "warehouse")
    texts = [f"{' '.join(WORDS[i:] + WORDS[:i])[: 20 + 3 * i].strip().capitalize()}." for i in range(20)]
    ingest_corpus(made, "plain", "here", lambda: [Document(f"d{i}", text, ()) for i, text in enumerate(texts)])
    for name, model in models.items():
        objective = "mlm" if name == "masked" else "clm"
        rows = [
            {"text": text.format(country), "answer": city, "objective": objective}
            for city, country in zip(CITIES, COUNTRIES, strict=True)
            for text in PROMPTS[name]
        ]
        (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ingest_prompts(made, str(folder / "p.jsonl"), name, PromptSettings(paraphrases=0))
        ingest_attributions(made, model, name, AttributionSettings(rules=("gradient",), min_prompts=1))
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.mark.parametrize("name", ["masked", "causal"])
def test_divergence_and_loss_are_those_of_plain_passes(warehouse, models, name):
    model = models[name]
    ingest_side_effects(warehouse, model, name, "plain", SideEffectSettings(sentences=9))
    rows = warehouse.sql(QUERY).pl().to_dicts()
    scene = InterventionInputs(warehouse, model, name, Selection(0.2, 0.5, 0, 0), None)
    assert {(row["concept"], row["arm"]) for row in rows} == {
        (concept, arm) for concept in scene.sets for arm in ("contributing", "random")
    }
    ids = sorted(job.drawn_sentences(warehouse, "plain", 9, 0))
    texts = dict(warehouse.sql("select sentence_id, text from sentences").fetchall())
    prompts = neutral_inputs(model, [(i, texts[i]) for i in ids], 0)
    assert len(prompts) == 9
    for row in rows[::3]:
        layers, neurons = (scene.sets if row["arm"] == "contributing" else scene.random)[row["concept"]]

        def change(at, now, layers=layers, neurons=neurons):
            now = now.clone()
            now[:, neurons[layers == at]] = 0
            return now

        kl = before = after = 0.0
        for prompt in prompts:
            asked = prompt.position, prompt.answer_ids[0]
            with torch.no_grad():
                plain, changed = (
                    logits_by_hand(model, prompt, how)[0][0, asked[0]].log_softmax(-1)
                    for how in (lambda at, now: now, change)
                )
            kl += (plain.exp() * (plain - changed)).sum().item() / 9
            before, after = before - plain[asked[1]].item() / 9, after - changed[asked[1]].item() / 9
        found = [row["kl"], row["loss_before"], row["loss_after"]]
        assert found == pytest.approx([kl, before, after], rel=1e-3, abs=1e-5)
        assert (row["n_sentences"], row["n_neurons"]) == (9, len(layers))
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_a_sentence_asks_for_one_of_its_own_tokens(models):
    sentences = [(i, "the capital of france is paris") for i in range(40)] + [(99, "paris is")]
    masked, causal = (neutral_inputs(models[name], sentences, 0) for name in ("masked", "causal"))
    assert len({prompt.position for prompt in masked}) == 6
    whole = models["masked"].tokenizer(sentences[0][1])["input_ids"]
    for prompt in masked:
        ids = list(prompt.input_ids)
        assert ids[prompt.position] == models["masked"].tokenizer.mask_token_id
        ids[prompt.position] = prompt.answer_ids[0]
        assert ids == whole
    ids = models["causal"].tokenizer(sentences[0][1])["input_ids"]
    for prompt in causal[:40]:
        n = len(prompt.input_ids)
        assert (list(prompt.input_ids), list(prompt.answer_ids), prompt.position) == (ids[:n], ids[n : n + 1], n - 1)
    assert [p.position for p in neutral_inputs(models["masked"], sentences, 1)] != [p.position for p in masked]


def test_an_interrupted_run_goes_on(warehouse, models, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "BLOCK", 4)
    arguments = (models["causal"], "causal", "plain", SideEffectSettings(sentences=10))
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    ingest_side_effects(whole, *arguments)
    assert ingest_side_effects(whole, *arguments) is None
    real, seen = job.divergences, []

    def until_interrupted(model, prompts, edits):
        seen.append(len(prompts))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(model, prompts, edits)

    monkeypatch.setattr(job, "divergences", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_side_effects(warehouse, *arguments)
    ingest_side_effects(warehouse, *arguments)
    assert seen == [4, 4, 4, 2]
    assert warehouse.sql(QUERY).fetchall() == whole.sql(QUERY).fetchall()


def test_wrong_use(warehouse, models, tmp_path):
    with pytest.raises(UsageError, match="--sentences must be at least 1"):
        SideEffectSettings(sentences=0)
    with pytest.raises(UsageError, match="no corpus 'brown'"):
        ingest_side_effects(warehouse, models["causal"], "causal", "brown")
    with pytest.raises(UsageError, match="no attributions of masked by relp"):
        ingest_side_effects(warehouse, models["masked"], "masked", "plain", SideEffectSettings(rule="relp"))
    t5 = load(str(save_t5(tmp_path / "t5")), head=True, device="cpu")
    with pytest.raises(UsageError, match="masked and causal models"):
        neutral_inputs(t5, [(1, "the capital of france")], 0)
