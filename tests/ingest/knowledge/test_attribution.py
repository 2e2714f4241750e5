"""The staircase against one layer at a time through transformers' own forward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nwh.ingest.knowledge import room, staircase
from nwh.ingest.knowledge.attribution import answer_activations, answer_scores, attribute
from nwh.ingest.knowledge.attributions import AttributionSettings
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.passes import rank
from nwh.ingest.knowledge.rules.integrals import clenshaw_curtis
from nwh.ingest.knowledge.rules.rule import Rule, rule_named, rules_named
from nwh.ingest.models import load
from nwh.warehouse.errors import ModelError, UsageError
from tests.ingest.knowledge.by_hand import path, score_by_hand, state, tiny_model, tiny_prompts
from tests.ingest.models.conftest import BY_NAME, CASES


def attributed(model, prompts, rule, baseline=None):
    found = dict(attribute(model, prompts, [rule], baseline))
    assert sorted(found) == list(range(len(prompts)))
    return [found[index][0] for index in range(len(prompts))]


def off(found, expected):
    """Relative L2 distance."""
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture(scope="module", params=[case for case in CASES if case.objective != "encoder"], ids=str)
def family(request, tmp_path_factory):
    model = tiny_model(request.param, tmp_path_factory.mktemp("model"))
    return model, tiny_prompts(model)


def test_every_family_equals_the_plain_way(family):
    model, prompts = family
    before = state(model)
    found = attributed(model, prompts, rule_named("riemann", 20))
    assert state(model) == before
    scores, activations = answer_scores(model, prompts), answer_activations(model, prompts)
    n_layers = len(model.family.of_answers().blocks_of(model.base))
    for prompt, result, score, activation in zip(prompts, found, scores, activations, strict=True):
        probability, place, values = score_by_hand(model, prompt)
        assert score == (pytest.approx(probability, rel=1e-5), place)
        assert (result.probability, result.rank) == score or result.probability == pytest.approx(score[0], rel=1e-5)
        assert torch.allclose(activation, values, rtol=1e-4, atol=1e-5)
        assert result.scores.shape == (n_layers, model.checkpoint.d_ffn) == activation.shape
        assert result.evaluations == (20,) * n_layers
        for layer in range(n_layers):
            products, at = path(model, prompt, layer, [0, *np.arange(1, 21) / 20])
            expected = products[1:].mean(0)
            assert off(result.scores[layer], expected) < 1e-4
            error = abs(expected.sum() - (at[-1] - at[0])).item()
            assert result.completeness_error[layer] == pytest.approx(error, abs=1e-5)


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox", "t5-relu"])
def test_adaptive_is_the_converged_integral(name, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts = tiny_prompts(model)
    rule = rule_named("adaptive")
    points, weights = np.polynomial.legendre.leggauss(100)
    taken = set()
    for prompt, result in zip(prompts, attributed(model, prompts, rule), strict=True):
        taken |= set(result.evaluations)
        for layer in range(len(result.scores)):
            products, at = path(model, prompt, layer, (points + 1) / 2)
            ends = path(model, prompt, layer, [0, 1])[1]
            expected = torch.as_tensor(weights / 2).float() @ products
            assert result.converged[layer]
            assert off(result.scores[layer], expected) < rule.agreement
            assert result.completeness_error[layer] <= rule.tolerance * max(at.max(), ends.max())
            error = abs(result.scores[layer].sum() - (ends[1] - ends[0])).item()
            assert result.completeness_error[layer] == pytest.approx(error, abs=1e-5)
    assert 5 in taken
    assert name == "t5-relu" or taken & {9, 17, 33, 65, 129}, "refinement would go untested"
    assert taken <= {5, 9, 17, 33, 65, 129}


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox", "llama", "gemma4_text"])
def test_integrals_from_a_baseline_are_complete_from_there(name, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts = tiny_prompts(model)
    with torch.inference_mode():  # as `answer_activations` of another prompt
        baseline = answer_activations(model, prompts[:1])[0]
    points, weights = np.polynomial.legendre.leggauss(100)
    for rule in (rule_named("riemann", 5), rule_named("linspace", 5), rule_named("adaptive")):
        for prompt, result in zip(prompts[1:], attributed(model, prompts[1:], rule, baseline), strict=True):
            for layer, scores in enumerate(result.scores):
                ends = path(model, prompt, layer, [0, 1], baseline[layer])[1]
                missing = abs(scores.sum() - (ends[1] - ends[0])).item()
                assert result.completeness_error[layer] == pytest.approx(missing, abs=1e-5)
                if rule.name == "adaptive":
                    products, _ = path(model, prompt, layer, (points + 1) / 2, baseline[layer])
                    assert off(scores, torch.as_tensor(weights / 2).float() @ products) < rule.agreement
                    assert missing <= rule.tolerance * ends.max() or not result.converged[layer]
                else:
                    alphas = np.arange(1, 6) / 5 if rule.name == "riemann" else np.linspace(0, 1, 5)
                    assert off(scores, path(model, prompt, layer, alphas, baseline[layer])[0].mean(0)) < 1e-5


def test_layers_that_do_not_converge_are_visible(tmp_path):
    model = tiny_model(BY_NAME["bert-gelu"], tmp_path)
    prompts = tiny_prompts(model)
    strict = Rule("adaptive", agreement=0, max_evaluations=20)
    for result in attributed(model, prompts, strict):
        assert set(result.evaluations) == {17}
        assert not any(result.converged)
    coarse = attributed(model, prompts, rule_named("riemann", 1))
    assert not all(all(result.converged) for result in coarse)


@pytest.mark.parametrize(
    ("name", "rule", "steps"), [("distilbert", "linspace", 7), ("llama", "linspace", 1), ("llama", "riemann", 1)]
)
def test_the_other_rules(name, rule, steps, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts = tiny_prompts(model)
    alphas = np.linspace(0, 1, steps) if rule == "linspace" else np.arange(1, steps + 1) / steps
    for prompt, result in zip(prompts, attributed(model, prompts, rule_named(rule, steps)), strict=True):
        for layer, scores in enumerate(result.scores):
            products, at = path(model, prompt, layer, [0, 1, *alphas])
            expected = products[2:].mean(0)
            assert off(scores, expected) < 1e-4
            error = abs(expected.sum() - (at[1] - at[0])).item()
            assert result.completeness_error[layer] == pytest.approx(error, abs=1e-5)


@pytest.mark.parametrize("name", ["roberta-gelu", "mistral", "t5-gated-gelu"])
@pytest.mark.parametrize("rule", ["riemann", "adaptive"])
def test_batches_do_not_matter(name, rule, tmp_path, monkeypatch):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts = tiny_prompts(model)
    together = attributed(model, prompts, rule_named(rule, 3))
    alone = [attributed(model, [prompt], rule_named(rule, 3))[0] for prompt in prompts]
    monkeypatch.setattr(room, "_MAIN_MEMORY", room.room_in(model, 80 << 30))
    large = attributed(model, prompts, rule_named(rule, 3))
    monkeypatch.setattr(room, "_MAIN_MEMORY", room.Room(2, 1024, 160_000, 50_000))
    with torch.inference_mode():  # the caller's mode does not matter either
        small = attributed(model, prompts, rule_named(rule, 3))
    for one, *others in zip(together, alone, large, small, strict=True):
        for other in others:
            assert off(other.scores, one.scores) < 1e-5
            assert other.evaluations == one.evaluations
            assert other.rank == one.rank


def test_the_model_is_restored_after_an_error(tmp_path):
    model = tiny_model(BY_NAME["bert-gelu"], tmp_path)
    prompts, before = tiny_prompts(model), state(model)
    embeddings = model.module.get_input_embeddings()
    embeddings.weight[prompts[0].input_ids[0]] = torch.nan
    with pytest.raises(ModelError, match="not numbers in float32"):
        list(attribute(model, prompts, [rule_named("riemann")]))
    assert state(model) == before


def test_the_model_is_restored_after_an_error_among_rows(tmp_path, monkeypatch):
    model = tiny_model(BY_NAME["gpt_neo"], tmp_path)
    before = state(model)
    monkeypatch.setattr(staircase.CausalRows, "attend", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(attribute(model, tiny_prompts(model), [rule_named("riemann")]))
    assert state(model) == before


def test_one_token_prompts_and_no_prompts(tmp_path):
    model = tiny_model(BY_NAME["gpt2"], tmp_path)
    prompt = PromptInput(0, "c", (7,), 0, (9,))
    result = attributed(model, [prompt], rule_named("riemann", 4))[0]
    expected = path(model, prompt, 0, [0.25, 0.5, 0.75, 1])[0].mean(0)
    assert off(result.scores[0], expected) < 1e-4
    assert attributed(model, [], rule_named("riemann")) == []
    assert answer_scores(model, []) == []


def test_half_precision_runs(tmp_path):
    single = tiny_model(BY_NAME["llama"], tmp_path)
    half = load(str(tmp_path), head=True, device="cpu", dtype="bfloat16")
    prompts = tiny_prompts(single)
    for a, b in zip(*(attributed(model, prompts, rule_named("riemann", 5)) for model in (single, half)), strict=True):
        assert b.scores.dtype == torch.float32
        assert off(b.scores, a.scores) < 0.3


def test_ranks_count_the_lower_token_first_among_equals():
    logits = torch.tensor([[[1.0, 3.0, 2.0, 2.0, 2.0]]]).expand(5, -1, -1)
    assert rank(logits, torch.arange(5)[:, None]).tolist() == [5, 1, 2, 3, 4]


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match="'simpson' is not known: use adaptive, riemann, linspace, gradient"):
        rule_named("simpson")
    with pytest.raises(UsageError, match="no rule is named"):
        rules_named([])
    with pytest.raises(UsageError, match="--baseline 'mean' is not known: use zero or replace"):
        AttributionSettings(baseline="mean")
    with pytest.raises(UsageError, match="0 steps"):
        rule_named("riemann", 0)
    model = tiny_model(BY_NAME["bert-gelu"], tmp_path)
    with pytest.raises(UsageError, match="prompt 3 has an answer of 2 tokens"):
        answer_scores(model, [PromptInput(3, "c", (5, 6, 7), 1, (8, 9))])


@pytest.mark.parametrize("n", [2, 4, 8, 64])
def test_quadrature_is_exact_for_polynomials(n):
    points, weights = clenshaw_curtis(n)
    for degree in range(n + 2):
        assert weights @ points**degree == pytest.approx(1 / (degree + 1))
    assert np.allclose(points[::2], clenshaw_curtis(n // 2)[0] if n > 2 else [0, 1])
