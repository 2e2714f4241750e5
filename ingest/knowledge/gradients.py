"""Gradients of the answer's probability with respect to `ffn` values on the way from 0 to w."""

from __future__ import annotations

import torch
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.staircase import batches, run_rows


def integrate(
    recording: Recording, prompt: Tensor, layer: Tensor, alpha: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return weighted gradients times values summed over nodes, [jobs, d_ffn], and P at each node, [jobs, nodes].

    A job is a prompt's layer.
    prompt, layer: [jobs], sorted by prompt, then layer. alpha, weight: [jobs, nodes].
    Without gradients (`torch.no_grad`) only the probabilities are computed.
    """
    n_jobs, n_nodes = alpha.shape
    values = torch.zeros(n_jobs, recording.ffn[0].shape[1], device=alpha.device)
    probability = torch.empty(n_jobs * n_nodes, device=alpha.device)
    job = torch.arange(n_jobs, device=alpha.device).repeat_interleave(n_nodes)
    for rows in batches(recording, layer[job], torch.is_grad_enabled()):
        of = job[rows]
        chunk = _Chunk(recording, prompt[of], layer[of], alpha.reshape(-1)[rows])
        probability[rows], gradients = chunk.run()
        for at, products in gradients:
            values.index_add_(0, of[at], products * weight.reshape(-1)[rows][at, None])
    return values, probability.view(n_jobs, n_nodes)


def whole_gradients(recording: Recording) -> Tensor:
    """Return gradient x values at alpha = 1, [prompts * layers, d_ffn]: one backward pass serves all layers there."""
    n_prompts, n_layers = len(recording.group.indices), len(recording.ffn)
    prompt = torch.arange(n_prompts, device=recording.probability.device)
    results = []
    for rows in batches(recording, torch.zeros_like(prompt), gradients=True):
        whole = torch.stack(recording.ffn, 1)[rows].float()
        added = torch.zeros_like(whole).requires_grad_()

        def change(layer: int, of: Tensor, current: Tensor, added: Tensor = added) -> Tensor:
            return current + added[of, layer]

        logits = run_rows(recording, prompt[rows], torch.zeros_like(prompt[rows]), change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[rows])
        results.append(torch.autograd.grad(probability.sum(), added)[0] * whole)
    return torch.cat(results).view(n_prompts * n_layers, -1)


class _Chunk:
    """Rows of one batch, each with its layer's values scaled by its own alpha."""

    def __init__(self, recording: Recording, prompt: Tensor, layer: Tensor, alpha: Tensor) -> None:
        self.recording, self.prompt, self.layer, self.alpha = recording, prompt, layer, alpha
        self.leaves: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def change(self, layer: int, rows: Tensor, current: Tensor) -> Tensor | None:
        if self.layer[rows[0]] < layer:
            return None
        whole = self.recording.ffn[layer][self.prompt[rows]].float()
        leaf = (self.alpha[rows, None] * whole).requires_grad_(torch.is_grad_enabled())
        self.leaves[layer] = rows, whole, leaf
        return leaf

    def run(self) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return P of each row, and per layer (rows, gradient x values)."""
        recording = self.recording
        logits = run_rows(recording, self.prompt, self.layer, self.change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[self.prompt])
        if not torch.is_grad_enabled():
            return probability, []
        gradients = torch.autograd.grad(probability.sum(), [leaf for _, _, leaf in self.leaves.values()])
        products = [
            (rows, gradient * whole) for (rows, whole, _), gradient in zip(self.leaves.values(), gradients, strict=True)
        ]
        return probability.detach(), products
