"""Gradients of the answer's probability with respect to `ffn` values on the way from a baseline b to w."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.staircase import batches, run_rows


def integrate(
    recording: Recording, baseline: Tensor, prompt: Tensor, layer: Tensor, alpha: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return weighted gradients times w - b summed over nodes, [jobs, d_ffn], and P at each node, [jobs, nodes].

    A job is a prompt's layer; at a node its values are b + alpha (w - b).
    baseline: b, [n_layers, d_ffn]. prompt, layer: [jobs], sorted by prompt, then layer. alpha, weight: [jobs, nodes].
    Without gradients (`torch.no_grad`) only the probabilities are computed.
    """
    n_jobs, n_nodes = alpha.shape
    values = torch.zeros(n_jobs, recording.ffn[0].shape[1], device=alpha.device)
    probability = torch.empty(n_jobs * n_nodes, device=alpha.device)
    job = torch.arange(n_jobs, device=alpha.device).repeat_interleave(n_nodes)
    for rows in batches(recording, layer[job], torch.is_grad_enabled()):
        of = job[rows]
        chunk = _Chunk(recording, baseline, prompt[of], layer[of], alpha.reshape(-1)[rows])
        probability[rows], gradients = chunk.run()
        for at, products in gradients:
            values.index_add_(0, of[at], products * weight.reshape(-1)[rows][at, None])
    return values, probability.view(n_jobs, n_nodes)


def whole_gradients(
    recording: Recording, baseline: Tensor, through: Callable[[], AbstractContextManager[object]] = nullcontext
) -> tuple[Tensor, Tensor]:
    """Return gradients at w times w - b, [prompts, n_layers, d_ffn], and P, [prompts]: one backward for all layers.

    baseline: b, [n_layers, d_ffn]. through: makes a context that changes what gradients go through (see `held`), not
    the values.
    """
    n_prompts, n_layers = len(recording.group.indices), len(recording.ffn)
    prompt = torch.arange(n_prompts, device=recording.probability.device)
    results, probabilities = [], []
    for rows in batches(recording, torch.zeros_like(prompt), gradients=True):
        whole = torch.stack(recording.ffn, 1)[rows].float()
        added = torch.zeros_like(whole).requires_grad_()

        def change(layer: int, of: Tensor, current: Tensor, added: Tensor = added) -> Tensor:
            return current + added[of, layer]

        with through():
            logits = run_rows(recording, prompt[rows], torch.zeros_like(prompt[rows]), change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[rows])
        results.append(torch.autograd.grad(probability.sum(), added)[0] * (whole - baseline))
        probabilities.append(probability.detach())
    return torch.cat(results).view(n_prompts, n_layers, -1), torch.cat(probabilities)


class _Chunk:
    """Rows of one batch, each with its layer's values at its own alpha of the way from b to w."""

    def __init__(self, recording: Recording, baseline: Tensor, prompt: Tensor, layer: Tensor, alpha: Tensor) -> None:
        self.recording, self.baseline = recording, baseline
        self.prompt, self.layer, self.alpha = prompt, layer, alpha
        self.leaves: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def change(self, layer: int, rows: Tensor, current: Tensor) -> Tensor | None:
        if self.layer[rows[0]] < layer:
            return None
        way = self.recording.ffn[layer][self.prompt[rows]].float() - self.baseline[layer]
        leaf = (self.baseline[layer] + self.alpha[rows, None] * way).requires_grad_(torch.is_grad_enabled())
        self.leaves[layer] = rows, way, leaf
        return leaf

    def run(self) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return P of each row, and per layer (rows, gradient x (w - b))."""
        recording = self.recording
        logits = run_rows(recording, self.prompt, self.layer, self.change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[self.prompt])
        if not torch.is_grad_enabled():
            return probability, []
        gradients = torch.autograd.grad(probability.sum(), [leaf for _, _, leaf in self.leaves.values()])
        products = [
            (rows, gradient * way) for (rows, way, _), gradient in zip(self.leaves.values(), gradients, strict=True)
        ]
        return probability.detach(), products
