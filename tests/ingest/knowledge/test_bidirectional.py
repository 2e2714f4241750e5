"""Decoders that their configuration turns around, against transformers' own forward, and a check that can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.attribution import answer_activations, attribute
from nwh.ingest.knowledge.completeness import baseline_probabilities
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.rules.rule import rule_named
from nwh.warehouse.errors import ModelError, UsageError
from tests.ingest.knowledge.by_hand import path, score_by_hand, state, tiny_model, tiny_prompts
from tests.ingest.models.conftest import BY_NAME, CASES

TURNED = {
    "llama": {"is_causal": False},
    "gpt2": {"is_causal": False},
    "gpt_neox": {"is_causal": False},
    "gemma2": {"is_causal": False},  # its scores have a soft cap, its windows are 4 tokens
    "gemma3_text": {"use_bidirectional_attention": True, "num_hidden_layers": 6},  # the sixth sees all tokens
}


@pytest.fixture(scope="module", params=TURNED)
def turned(request, tmp_path_factory):
    """A decoder whose tokens all see each other, or their neighbours, and prompts with the answer anywhere."""
    case = BY_NAME[request.param]
    model = tiny_model(replace(case, config={**case.config, **TURNED[request.param]}), tmp_path_factory.mktemp("model"))
    draw = torch.Generator().manual_seed(0)
    prompts = [
        PromptInput(i, "c", tuple(torch.randint(5, 26, (n,), generator=draw).tolist()), at, (5 + i,))
        for i, (n, at) in enumerate([(7, 2), (5, 4), (7, 6), (9, 0), (7, 6)])
    ]
    return model, prompts


def off(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def test_attributions_are_those_of_the_models_own_forward(turned):
    model, prompts = turned
    before = state(model)
    found = dict(attribute(model, prompts, [rule_named("riemann", 20)]))
    assert state(model) == before
    for index, prompt in enumerate(prompts):
        (result,) = found[index]
        probability, place, _ = score_by_hand(model, prompt)
        assert (result.probability, result.rank) == (pytest.approx(probability, rel=1e-5), place)
        for layer in range(model.checkpoint.n_layers):
            products, at = path(model, prompt, layer, [0, *np.arange(1, 21) / 20])
            assert off(result.scores[layer], products[1:].mean(0)) < 1e-4
            error = abs(products[1:].mean(0).sum() - (at[-1] - at[0])).item()
            assert result.completeness_error[layer] == pytest.approx(error, abs=1e-5)


def test_interventions_are_those_of_the_models_own_forward(turned):
    model, prompts = turned
    draw = np.random.default_rng(0)
    edits = []
    for prompt in range(len(prompts)):
        for lowest in range(model.checkpoint.n_layers):
            chosen = lowest * 40 + draw.choice((model.checkpoint.n_layers - lowest) * 40, 12, replace=False)
            edits.append(Edit(prompt, chosen // 40, chosen % 40, (0.0, 2.0)[lowest % 2]))
    for edit, (probability, rank) in zip(edits, intervene(model, prompts, edits), strict=True):

        def change(layer, current, edit=edit):
            changed = current.clone()
            changed[0, edit.neurons[edit.layers == layer]] *= edit.factor
            return changed

        assert (pytest.approx(probability, rel=1e-4), rank) == score_by_hand(model, prompts[edit.prompt], change)[:2]
    for prompt, activation in zip(prompts, answer_activations(model, prompts), strict=True):
        assert torch.allclose(activation, score_by_hand(model, prompt)[2], rtol=1e-4, atol=1e-5)


def test_completeness_fails_where_the_rows_are_not_the_model(turned, monkeypatch):
    """Taken for causal, such a decoder's scores are wrong, though they sum to what its rows give."""
    model, prompts = turned
    monkeypatch.setitem(passes._BIDIRECTIONAL, model.module, False)
    at_end = [replace(prompt, position=len(prompt.input_ids) - 1) for prompt in prompts]
    with pytest.raises(ModelError, match=r"of prompt \d in layer \d of .* own forward pass"):
        list(attribute(model, at_end, [rule_named("adaptive")]))


def test_several_tokens_cannot_be_asked(turned):
    model, prompts = turned
    with pytest.raises(UsageError, match=r"prompt 0 has an answer of 2 tokens and .* whose tokens see later ones"):
        list(attribute(model, [replace(prompts[0], answer_ids=(5, 6))], [rule_named("riemann")]))


@pytest.mark.parametrize("case", [case for case in CASES if case.objective != "encoder"], ids=str)
def test_which_models_see_ahead(case, tmp_path):
    assert passes.is_bidirectional(tiny_model(case, tmp_path)) == (case.objective == "mlm")


@pytest.mark.parametrize("name", ["albert-inner", "opt", "t5-relu"])
def test_probabilities_without_a_layer_are_those_of_a_plain_hook(name, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    before = state(model)
    for prompt in tiny_prompts(model):
        found = baseline_probabilities(model, prompt)
        assert found[0] == pytest.approx(score_by_hand(model, prompt)[0], rel=1e-5)
        for layer, probability in enumerate(found[1:]):
            change = lambda at, values, layer=layer: values * (at != layer)  # noqa: E731
            assert probability == pytest.approx(score_by_hand(model, prompt, change)[0], rel=1e-5)
    assert state(model) == before
