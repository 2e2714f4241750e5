"""Gradients of the answer's probability with respect to `ffn` values: on the way from a baseline b to w, or at w.

At w one pass serves all layers, by three rules. `gradient`: (w_i - b_i) dP/dw_i. `relp`: the same through the network
that RelP makes linear (see `held`). `logit`: the same through the residual stream and the norms alone, which is what
the neuron itself writes towards the answer: its column of the down projection, as the norms scale it, on the answer's
unembedding less the mean one that the model expects. Its backward pass goes through no block, but the head.

The logits' own derivative, P (1 - p) of the answer and - P p of the others, turns all three into probabilities: in one
prompt a factor that ranks nothing anew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rules.held import direct, held
from nwh.ingest.knowledge.staircase import batches, run_rows
from nwh.ingest.models.devices import sent
from nwh.ingest.models.loading import LoadedModel

_THROUGH: dict[str, Callable[[LoadedModel], AbstractContextManager[object]]] = {
    "gradient": nullcontext,
    "relp": held,
    "logit": direct,
}


def one_pass(recording: Recording, baseline: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """Return scores by `gradient`, `relp` or `logit`, [prompts, n_layers, d_ffn], and P, [prompts].

    baseline: b, [n_layers, d_ffn].
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

        with _THROUGH[rule](recording.model):
            logits = run_rows(recording, prompt[rows], lowest[rows], change)
        probability = passes.answer_probability(recording.model, logits, recording.group.answers[part])
        results.append(torch.autograd.grad(probability.sum(), added)[0] * (whole - baseline))
        probabilities.append(probability.detach())
    return torch.cat(results).view(n_prompts, n_layers, -1), torch.cat(probabilities)


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
        found = _of_batch(recording, baseline, prompt[rows], layer[rows], alpha[rows].astype(np.float32))
        probability[at] = found[0].detach()
        if wanted:
            products[at] = torch.cat(found[1])
    return products, probability


def _of_batch(
    recording: Recording,
    baseline: Tensor,
    numbers: NDArray[np.int64],
    layer: NDArray[np.int64],
    alpha: NDArray[np.float32],
) -> tuple[Tensor, list[Tensor]]:
    """Return P of the rows of one batch, and gradients times w - b of each layer's rows where they are wanted."""
    prompt, share = (sent(values, baseline.device) for values in (numbers, alpha))
    ways: list[Tensor] = []
    leaves: list[Tensor] = []

    def change(here: int, rows: slice, current: Tensor) -> Tensor | None:
        if layer[rows.start] < here:
            return None
        way = recording.ffn[here][prompt[rows]].float() - baseline[here]
        ways.append(way)
        leaves.append((baseline[here] + share[rows, None] * way).requires_grad_(torch.is_grad_enabled()))
        return leaves[-1]

    logits = run_rows(recording, numbers, layer, change)
    probability = passes.answer_probability(recording.model, logits, recording.group.answers[prompt])
    if not torch.is_grad_enabled():
        return probability, []
    gradients = torch.autograd.grad(probability.sum(), leaves)  # of layers, ascending, as the rows are
    return probability, [gradient * way for gradient, way in zip(gradients, ways, strict=True)]
