"""Live activations of several texts at once are those of each text by itself."""

from __future__ import annotations

import pytest
import torch

from nwh.ingest.activations import text_activations as live
from nwh.ingest.models import load
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron

TEXTS = ["the cat sees the dog.", "", "the old king hates the river and the quick bird sees the bird.", "dog"]


@pytest.mark.parametrize("tokens", [4096, 1], ids=["together", "one by one"])
def test_texts_of_any_length_are_read_together(tiny_bert, monkeypatch, tokens):
    monkeypatch.setattr(live, "_TOKENS", tokens)
    model = load(str(tiny_bert), name="tiny", device="cpu")
    found = live.activations_at_tokens(model, Neuron("tiny", "main", "hidden", 1, 5), TEXTS)
    for text, of_text in zip(TEXTS, found, strict=True):
        encoded = model.tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            states = model.base(**encoded, output_hidden_states=True).hidden_states
        torch.testing.assert_close(torch.tensor(of_text.activations), states[2][0, :, 5])
        assert of_text.tokens == model.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
        assert [text[start:end].lower() for start, end in of_text.spans if end > start] == [
            token.removeprefix("##")
            for token, special in zip(of_text.tokens, of_text.special, strict=True)
            if not special
        ]


def test_layers_above_the_neuron_do_not_run(tiny_bert):
    model = load(str(tiny_bert), name="tiny", device="cpu")
    ran = []
    blocks = model.family.blocks_of(model.base)
    handles = [block.register_forward_hook(lambda *_, layer=i: ran.append(layer)) for i, block in enumerate(blocks)]
    live.activations_at_tokens(model, Neuron("tiny", "main", "hidden", 1, 5), TEXTS[:1])
    assert ran == [0, 1]
    live.activations_of_text(model, "hidden", TEXTS[0])
    assert ran == [0, 1, *range(len(blocks))]
    for handle in handles:
        handle.remove()


def test_a_text_of_any_length_has_activations_unless_it_has_no_token(tiny_bert):
    model = load(str(tiny_bert), name="tiny", device="cpu")
    found = live.activations_of_text(model, "hidden", "cat")
    assert not found.stored
    assert found.spans == [(0, 3)]
    whole = live.activations_of_text(model, "hidden", "cat", special_tokens=True)
    assert (len(whole.spans), whole.highest.max()) == (3, 2)
    with pytest.raises(UsageError, match="no token that counts"):
        live.activations_of_text(model, "hidden", "")
