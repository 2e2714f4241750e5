"""Rows of causal and sequence-to-sequence models: no token before the answer sees a change there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nwh.ingest.knowledge.recording import softmax
from nwh.ingest.knowledge.rows import Rows


class CausalRows(Rows):
    """Rows carry the answer positions alone and see the recorded keys and values of their prompt's tokens.

    Rows are kept by prompt, then layer, so that the rows of a prompt are one matrix against its keys.
    """

    counts: list[int]

    def block(self, run: Callable[[Tensor], Any], hidden: Tensor) -> Any:
        """Run the rows that joined before, then let new ones join."""
        old, new = self.joins < self.layer, self.joins == self.layer
        if old.any():
            hidden = self._computed(run, hidden, old)
        if new.any():
            joined = self._computed(run, self.recording.entry[self.layer][self.prompt[new]], new)
            hidden = self._merged(hidden, joined, old, new) if old.any() else joined
        return self.output(hidden)

    def _computed(self, run: Callable[[Tensor], Any], hidden: Tensor, which: Tensor) -> Tensor:
        self.counts = self._counts(which)
        rows = which.nonzero().squeeze(1)
        return self.computed(run, hidden, rows, torch.zeros_like(rows))

    def _counts(self, which: Tensor) -> list[int]:
        n_prompts = len(self.recording.group.indices)
        counts: list[int] = torch.bincount(self.prompt[which], minlength=n_prompts).tolist()
        return counts

    def _merged(self, old: Tensor, new: Tensor, is_old: Tensor, is_new: Tensor) -> Tensor:
        parts = torch.split(old, self._counts(is_old)), torch.split(new, self._counts(is_new))
        return torch.cat([rows for pair in zip(*parts, strict=True) for rows in pair])

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        """See `Interception.attend`; what a row does not change comes from the recording."""
        recorded = self.recording.memories[self.layer][self.n_attentions]
        positions = self.recording.group.answer_positions[0]
        n, heads, tokens, width = query.shape
        query = query.reshape(n, key.shape[1], -1, width) * scaling  # heads that share keys become more queries
        bias = None if recorded.bias is None else recorded.bias[:, :, positions]
        if self.n_attentions > 0:  # over the encoder's tokens, which no row changes
            keys, values = recorded.keys, recorded.values
            scores = self._per_prompt(query, keys.transpose(2, 3))
            weights = softmax(scores.view(n, heads, tokens, -1), bias, softcap).view(scores.shape)
            return self._per_prompt(weights, values).view(n, heads, tokens, -1)
        start = int(positions[0])
        keys, values = recorded.keys[:, :, :start], recorded.values[:, :, :start]
        scores = torch.cat([self._per_prompt(query, keys.transpose(2, 3)), query @ key.transpose(2, 3)], 3)
        bias = None if bias is None else bias[..., : start + tokens]
        weights = softmax(scores.view(n, heads, tokens, -1), bias, softcap).view(scores.shape)
        before, own = weights[..., :start], weights[..., start:]
        return (self._per_prompt(before, values) + own @ value).view(n, heads, tokens, -1)

    def _per_prompt(self, left: Tensor, right: Tensor) -> Tensor:
        """Multiply each row's matrix by its prompt's: [rows, heads, m, k] x [prompts, heads, k, n]."""
        parts = []
        for part, matrix in zip(torch.split(left, self.counts), right, strict=True):
            n, heads, m, k = part.shape
            if n:
                product = part.transpose(0, 1).reshape(heads, n * m, k) @ matrix
                parts.append(product.view(heads, n, m, -1).transpose(0, 1))
        return torch.cat(parts)
