"""What rows of causal and of bidirectional models have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nwh.ingest.knowledge.interception import Interception
from nwh.ingest.knowledge.recording import Recording

# Gives the new values of rows, [rows, d_ffn], or null to leave them; arguments: layer, rows, current values.
Change = Callable[[int, Tensor, Tensor], Tensor | None]


class Rows(Interception):
    """rows: those that the current run of a block computes. at: the answer's index among the tokens it computes."""

    def __init__(self, recording: Recording, prompt: Tensor, layer: Tensor, change: Change) -> None:
        super().__init__(recording.model)
        self.recording, self.prompt, self.joins, self.change = recording, prompt, layer, change
        self.rows = self.at = prompt

    def computed(self, run: Callable[[Tensor], Any], hidden: Tensor, rows: Tensor, at: Tensor) -> Tensor:
        """Return the block's output for rows whose hidden states are given."""
        self.rows, self.at = rows, at
        output = run(hidden)
        return output[0] if self.recording.returned else output  # type: ignore[no-any-return]

    def output(self, hidden: Tensor) -> Any:
        """Return hidden states in the form in which the model's own block returns them."""
        returned = self.recording.returned
        return (hidden, *[None] * (returned - 1)) if returned else hidden

    def ffn(self, values: Tensor) -> Tensor:
        """Put in what `change` makes of the values at the answer position."""
        changed = self.change(self.layer, self.rows, values[torch.arange(len(values), device=values.device), self.at])
        if changed is None:
            return values
        return put(values, self.at, changed.to(values.dtype)[:, None])


def put(whole: Tensor, at: Tensor, token: Tensor) -> Tensor:
    """Return [rows, tokens, width] with one token of each row, [rows, 1, width], in place of the one at `at`."""
    if whole.shape[1] == 1:
        return token
    return whole.scatter(1, at[:, None, None].expand_as(token), token)
