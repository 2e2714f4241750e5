"""Single neurons ablated in batches against one prompt and neuron at a time with plain hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nwh.ingest.knowledge import room
from nwh.ingest.knowledge.ablation import ablate
from nwh.ingest.knowledge.attribution import answer_activations
from tests.ingest.knowledge.by_hand import score_by_hand, state, tiny_model, tiny_prompts
from tests.ingest.models.conftest import BY_NAME


def drawn(model, prompts, n=9):
    draw = np.random.default_rng(0)
    shape = answer_activations(model, prompts[:1])[0].shape
    return [np.unravel_index(draw.choice(shape[0] * shape[1], n, replace=False), shape) for _ in prompts]


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox", "llama", "t5-gated-gelu", "deberta", "opt"])
@pytest.mark.parametrize("start", ["zero", "another prompt"])
def test_one_neuron_at_a_time(name, start, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts, before = tiny_prompts(model), state(model)
    chosen = drawn(model, prompts)
    baseline = answer_activations(model, prompts[2:3])[0] if start != "zero" else None
    found = ablate(model, prompts, chosen, baseline)
    assert state(model) == before
    for prompt, (layers, neurons), effects in zip(prompts, chosen, found, strict=True):
        probability = score_by_hand(model, prompt)[0]
        for layer, neuron, effect in zip(layers, neurons, effects, strict=True):

            def change(at, values, layer=layer, neuron=neuron):
                values = values.clone()
                if at == layer:
                    values[:, neuron] = 0 if baseline is None else baseline[layer, neuron]
                return values

            after = score_by_hand(model, prompt, change)[0]
            assert effect == pytest.approx(probability - after, rel=1e-3, abs=1e-5 * probability)  # of two float32


def test_batches_and_nothing_to_ablate(tmp_path, monkeypatch):
    model = tiny_model(BY_NAME["bert-gelu"], tmp_path)
    prompts = tiny_prompts(model)
    chosen = drawn(model, prompts)
    together = ablate(model, prompts, chosen)
    monkeypatch.setattr(room, "_MAIN_MEMORY", room.Room(2, 1024, 40_000, 40_000))
    for one, other in zip(together, ablate(model, prompts, chosen), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    none = np.array([], int), np.array([], int)
    assert [len(each) for each in ablate(model, prompts[:2], [none, chosen[1]])] == [0, 9]
    assert [len(each) for each in ablate(model, prompts[:1], [none])] == [0]
    assert ablate(model, [], []) == []
    assert torch.is_grad_enabled()
