"""Rows of causal and sequence-to-sequence models: no token before the answer sees a change there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge.recording import softmax
from nwh.ingest.knowledge.rows import Rows
from nwh.ingest.models.devices import sent


class CausalRows(Rows):
    """Rows carry the answer positions alone and see the recorded keys and values of their prompt's tokens."""

    grid: _Grid

    def block(self, run: Callable[[Tensor], Any], hidden: Tensor) -> Any:
        """Run the rows that joined before, then let new ones join."""
        joined, joining = self.joined, self.joining
        if joined.stop:
            hidden = self._run(run, hidden, joined)
        if joining.stop > joining.start:
            new = self._run(run, self.recording.entry[self.layer][self.prompt[joining]], joining)
            hidden = torch.cat([hidden, new]) if joined.stop else new
        return self.output(hidden)

    def _run(self, run: Callable[[Tensor], Any], hidden: Tensor, rows: slice) -> Tensor:
        self.grid = _Grid(self.numbers[rows], hidden.device)
        return self.computed(run, hidden, rows, torch.zeros_like(self.prompt[rows]))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        """See `Interception.attend`; what a row does not change comes from the recording."""
        recorded = self.recording.memories[self.layer][self.n_attentions]
        start = self.recording.group.start
        n, heads, tokens, width = query.shape
        query = query.reshape(n, key.shape[1], -1, width) * scaling  # heads that share keys become more queries
        bias = None if recorded.bias is None else recorded.bias[:, :, start : start + tokens]
        if self.n_attentions > 0:  # over the encoder's tokens, which no row changes
            keys, values = recorded.keys, recorded.values
            scores = self.grid.product(query, keys.transpose(2, 3))
            weights = softmax(scores.reshape(n, heads, tokens, -1), bias, softcap).reshape(scores.shape)
            return self.grid.product(weights, values).reshape(n, heads, tokens, -1)
        keys, values = recorded.keys[:, :, :start], recorded.values[:, :, :start]
        scores = torch.cat([self.grid.product(query, keys.transpose(2, 3)), query @ key.transpose(2, 3)], 3)
        bias = None if bias is None else bias[..., : start + tokens]
        weights = softmax(scores.reshape(n, heads, tokens, -1), bias, softcap).reshape(scores.shape)
        before, own = weights[..., :start], weights[..., start:]
        return (self.grid.product(before, values) + own @ value).reshape(n, heads, tokens, -1)


class _Grid:
    """Rows by prompt, each prompt with as many places as the one that has most rows: one product for all prompts.

    prompts: those that have rows. places: the row at each place, any row where there is none, and the place of each
    row; null where all rows are of one prompt.
    """

    def __init__(self, numbers: NDArray[np.int64], device: torch.device) -> None:
        """Make places for rows; numbers: the prompt of each."""
        prompts, of_row, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
        self.most, self.n_prompts = int(sizes.max()), len(prompts)
        first, last = int(prompts[0]), int(prompts[-1])
        self.prompts = slice(first, last + 1) if last - first < len(prompts) else sent(prompts, device)
        self.places: tuple[Tensor, Tensor] | None = None
        if len(prompts) > 1:
            order = np.argsort(of_row, kind="stable")
            of_rows = np.empty(len(numbers), np.int64)
            of_rows[order] = (
                np.arange(len(numbers))
                + (np.arange(len(prompts)) * self.most - np.cumsum(sizes) + sizes)[of_row[order]]
            )
            rows = np.zeros(len(prompts) * self.most, np.int64)
            rows[of_rows] = np.arange(len(numbers))
            self.places = sent(rows, device), sent(of_rows, device)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Multiply each row's matrix by its prompt's: [rows, heads, m, k] x [prompts, heads, k, n]."""
        _, heads, m, k = left.shape
        if self.places is not None:
            left = left.index_select(0, self.places[0])
        left = left.view(self.n_prompts, self.most, heads, m, k).transpose(1, 2)
        product = left.reshape(self.n_prompts, heads, self.most * m, k) @ right[self.prompts]
        result = product.view(self.n_prompts, heads, self.most, m, -1).transpose(1, 2).flatten(0, 1)
        return result if self.places is None else result.index_select(0, self.places[1])
