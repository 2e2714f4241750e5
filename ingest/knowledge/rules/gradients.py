"""Gradients of the answer's probability with respect to `ffn` values on the way from a baseline b to w."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.staircase import batches, run_rows
from nwh.ingest.models.devices import sent


def gradients_at(
    recording: Recording,
    baseline: Tensor,
    prompt: NDArray[np.int64],
    layer: NDArray[np.int64],
    alpha: NDArray[np.float64],
) -> tuple[Tensor, Tensor]:
    """Return gradients times w - b, [rows, d_ffn], and P, [rows], where a prompt's layer has b + alpha (w - b).

    baseline: b, [n_layers, d_ffn]. prompt, layer, alpha: [rows]; neighbours run together.
    Without gradients (`torch.no_grad`) only P is computed, and there are no rows of the others.
    """
    device, wanted = baseline.device, torch.is_grad_enabled()
    products = torch.empty(len(prompt) if wanted else 0, recording.ffn[0].shape[1], device=device)
    probability = torch.empty(len(prompt), device=device)
    for rows in batches(recording, prompt, layer, wanted):
        at = sent(rows, device)
        chunk = _Chunk(recording, baseline, prompt[rows], layer[rows], alpha[rows])
        probability[at], gradients = chunk.run()
        if wanted:
            products[at] = gradients
    return products, probability


def whole_gradients(
    recording: Recording, baseline: Tensor, through: Callable[[], AbstractContextManager[object]] = nullcontext
) -> tuple[Tensor, Tensor]:
    """Return gradients at w times w - b, [prompts, n_layers, d_ffn], and P, [prompts]: one backward for all layers.

    baseline: b, [n_layers, d_ffn]. through: makes a context that changes what gradients go through (see `held`), not
    the values.
    """
    n_prompts, n_layers = len(recording.group.indices), len(recording.ffn)
    prompt, lowest = np.arange(n_prompts), np.zeros(n_prompts, np.int64)
    results, probabilities = [], []
    for rows in batches(recording, prompt, lowest, gradients=True):
        part = slice(rows[0], rows[-1] + 1)
        whole = torch.stack([values[part] for values in recording.ffn], 1).float()
        added = torch.zeros_like(whole).requires_grad_()

        def change(layer: int, of: slice, current: Tensor, added: Tensor = added) -> Tensor:
            return current + added[of, layer]

        with through():
            logits = run_rows(recording, prompt[rows], lowest[rows], change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[part])
        results.append(torch.autograd.grad(probability.sum(), added)[0] * (whole - baseline))
        probabilities.append(probability.detach())
    return torch.cat(results).view(n_prompts, n_layers, -1), torch.cat(probabilities)


class _Chunk:
    """Rows of one batch, each with its layer's values at its own alpha of the way from b to w."""

    def __init__(
        self,
        recording: Recording,
        baseline: Tensor,
        prompt: NDArray[np.int64],
        layer: NDArray[np.int64],
        alpha: NDArray[np.float64],
    ) -> None:
        self.recording, self.baseline = recording, baseline
        self.numbers, self.layer = prompt, layer
        self.prompt, self.alpha = (sent(x, baseline.device) for x in (prompt, alpha.astype(np.float32)))
        self.ways: list[Tensor] = []
        self.leaves: list[Tensor] = []

    def change(self, layer: int, rows: slice, current: Tensor) -> Tensor | None:
        if self.layer[rows.start] < layer:
            return None
        way = self.recording.ffn[layer][self.prompt[rows]].float() - self.baseline[layer]
        leaf = (self.baseline[layer] + self.alpha[rows, None] * way).requires_grad_(torch.is_grad_enabled())
        self.ways.append(way)
        self.leaves.append(leaf)
        return leaf

    def run(self) -> tuple[Tensor, Tensor]:
        """Return P of each row and gradient x (w - b), the latter without rows where no gradients are wanted."""
        recording = self.recording
        logits = run_rows(recording, self.numbers, self.layer, self.change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[self.prompt])
        if not torch.is_grad_enabled():
            return probability, probability.new_empty(0)
        gradients = torch.autograd.grad(probability.sum(), self.leaves)  # of layers, ascending, as the rows are
        products = [gradient * way for gradient, way in zip(gradients, self.ways, strict=True)]
        return probability.detach(), torch.cat(products)
