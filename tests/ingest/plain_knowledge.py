"""Knowledge attribution and interventions the plain way: transformers' own forward, one prompt, one layer at a time."""

from __future__ import annotations

from contextlib import contextmanager

import torch


class Plain:
    """A model run with hooks on its down projections; `scale` and `put` say what happens at one position."""

    def __init__(self, model):
        self.model = model
        self.downs = [model.family.down_of(block) for block in model.family.blocks_of(model.base)]

    @contextmanager
    def changed(self, position, change):
        """Apply `change(layer, values)` to the values [d_ffn] at a position, in every layer."""

        def hook(layer):
            def before(_, args):
                values = args[0].clone()
                values[0, position] = change(layer, values[0, position])
                return (values,)

            return before

        handles = [down.register_forward_pre_hook(hook(layer)) for layer, down in enumerate(self.downs)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def distribution(self, prompt, change=lambda layer, values: values):
        """Return the probabilities of the vocabulary at the answer position."""
        with self.changed(prompt.position, change):
            logits = self.model.module(input_ids=torch.tensor([prompt.input_ids])).logits[0, prompt.position]
        return torch.softmax(logits, -1)

    def score(self, prompt, change=lambda layer, values: values):
        """Return probability and rank of the answer."""
        with torch.no_grad():
            found = self.distribution(prompt, change)
        return found[prompt.answer_ids[0]].item(), int((found > found[prompt.answer_ids[0]]).sum()) + 1

    def activations(self, prompt):
        """Return the values at the answer position, [n_layers, d_ffn]."""
        seen = {}

        def keep(layer, values):
            seen[layer] = values.detach().clone()
            return values

        self.score(prompt, keep)
        return torch.stack([seen[layer] for layer in range(len(self.downs))])

    def attributions(self, prompt, steps=20):
        """Return the Riemann sums [n_layers, d_ffn], and P(w) - P(0) of each layer."""
        whole = self.activations(prompt)
        sums, expected = torch.zeros_like(whole), torch.zeros(len(whole))
        answer = prompt.answer_ids[0]
        for layer, own in enumerate(whole):
            for k in range(1, steps + 1):
                point = (own * k / steps).requires_grad_()
                found = self.distribution(prompt, lambda at, v, point=point, layer=layer: point if at == layer else v)
                sums[layer] += own * torch.autograd.grad(found[answer], point)[0] / steps
            with torch.no_grad():
                zero = self.distribution(prompt, lambda at, v, layer=layer: v * (at != layer))
                expected[layer] = self.distribution(prompt)[answer] - zero[answer]
        return sums, expected
