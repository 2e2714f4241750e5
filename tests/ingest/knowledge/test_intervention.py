"""Edits in batches against one prompt at a time with plain hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nwh.ingest.knowledge import room
from nwh.ingest.knowledge.attribution import answer_activations, answer_scores
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.warehouse.errors import UsageError
from tests.ingest.knowledge.by_hand import score_by_hand, state, tiny_model, tiny_prompts
from tests.ingest.models.conftest import BY_NAME, CASES


def draw_edits(model, seed=0):
    """Zero, double and replace up to 12 neurons of any layers, several sets per prompt, not in order."""
    draw = np.random.default_rng(seed)
    n_layers, d_ffn = len(model.family.of_answers().blocks_of(model.base)), model.checkpoint.d_ffn
    edits = []
    for index, prompt in enumerate((3, 1, 0, 2, 1, 1, 2, 0)):
        lowest = draw.integers(0, n_layers)
        chosen = lowest * d_ffn + draw.choice((n_layers - lowest) * d_ffn, draw.integers(1, 13), replace=False)
        values = draw.normal(size=len(chosen)) if index % 3 == 2 else None
        edits.append(Edit(prompt, chosen // d_ffn, chosen % d_ffn, (0.0, 2.0, 0.0)[index % 3], values))
    return edits


def by_hand(model, prompts, edit):
    prompt = prompts[edit.prompt]

    def change(layer, current):
        here = edit.layers == layer
        neurons, changed = torch.tensor(edit.neurons[here]), current.clone()
        changed[0, neurons] *= edit.factor
        if edit.values is not None:
            changed[0, neurons] += torch.tensor(edit.values[here]).float()
        return changed

    return score_by_hand(model, prompt, change)[:2]


@pytest.fixture(scope="module", params=[case for case in CASES if case.objective != "encoder"], ids=str)
def family(request, tmp_path_factory):
    model = tiny_model(request.param, tmp_path_factory.mktemp("model"))
    return model, tiny_prompts(model)


def test_every_family_equals_one_prompt_at_a_time(family):
    model, prompts = family
    before, edits = state(model), draw_edits(model)
    found = intervene(model, prompts, edits)
    assert state(model) == before
    for edit, (probability, rank) in zip(edits, found, strict=True):
        expected = by_hand(model, prompts, edit)
        assert probability == pytest.approx(expected[0], rel=1e-4)
        assert rank == expected[1]


@pytest.mark.parametrize("name", ["bert-gelu", "gpt2"])
def test_batches_do_not_matter(name, tmp_path, monkeypatch):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts, edits = tiny_prompts(model), draw_edits(model)
    together = intervene(model, prompts, edits)
    alone = [intervene(model, prompts, [edit])[0] for edit in edits]
    monkeypatch.setattr(room, "_MAIN_MEMORY", room.Room(2, 1024, 40_000, 40_000))
    small = intervene(model, prompts, edits)
    for others in (alone, small):
        assert [rank for _, rank in others] == [rank for _, rank in together]
        assert [p for p, _ in others] == pytest.approx([p for p, _ in together], rel=1e-5)


@pytest.mark.parametrize("name", ["bert-gelu", "gpt2"])
def test_edits_that_change_nothing(name, tmp_path):
    model = tiny_model(BY_NAME[name], tmp_path)
    prompts = tiny_prompts(model)
    untouched = answer_scores(model, prompts)
    own = answer_activations(model, prompts)[1].numpy()
    none, layers, neurons = np.array([], dtype=int), *np.divmod(np.arange(own.size), 40)
    edits = [
        Edit(1, none, none, 0.0),
        Edit(1, layers, neurons, 1.0),
        Edit(1, layers, neurons, 0.0, own[layers, neurons]),
    ]
    for probability, rank in intervene(model, prompts, edits):
        assert (probability, rank) == (pytest.approx(untouched[1][0], rel=1e-4), untouched[1][1])
    assert intervene(model, prompts, []) == []


def test_the_model_is_restored_after_an_error(tmp_path):
    model = tiny_model(BY_NAME["gpt_neo"], tmp_path)
    prompts, before = tiny_prompts(model), state(model)
    with pytest.raises(UsageError, match="neuron 40 of layer 1"):
        intervene(model, prompts, [Edit(0, np.array([1]), np.array([40]), 0.0)])
    assert state(model) == before
    broken = Edit(0, np.array([0, 1]), np.array([3, 3]), float("nan"))
    with pytest.raises(Exception, match="not numbers"):
        intervene(model, prompts, [broken])
    assert state(model) == before
