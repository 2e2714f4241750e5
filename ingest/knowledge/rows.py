"""What rows of causal and of bidirectional models have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.knowledge.interception import Interception
from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.models.devices import sent

# Gives the new values of rows, [rows, d_ffn], or null to leave them; arguments: layer, rows, current values. Rows that
# join at the layer come in a call of their own.
Change = Callable[[int, slice, Tensor], Tensor | None]


class Rows(Interception):
    """Rows of a batch by the layer at which they join, then prompt: those that have joined are the first, in any layer.

    rows: those that the current run of a block computes. at: the answer's index among the tokens it computes, [rows].
    Which rows these are, main memory knows, so that no layer waits for the device.
    """

    def __init__(
        self, recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], change: Change
    ) -> None:
        super().__init__(recording.model)
        self.recording, self.change = recording, change
        self.numbers, self.prompt = prompt, sent(prompt, recording.model.device)
        self.below = joined_below(layer, len(recording.ffn))
        self.rows, self.at = slice(0), self.prompt

    @property
    def joined(self) -> slice:
        """Rows that joined before the current layer."""
        return slice(0, self.below[self.layer])

    @property
    def joining(self) -> slice:
        """Rows that join at the current layer."""
        return slice(self.below[self.layer], self.below[self.layer + 1])

    def computed(self, run: Callable[[Tensor], Any], hidden: Tensor, rows: slice, at: Tensor) -> Tensor:
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
        changed = self.change(self.layer, self.rows, taken(values, self.at)[:, 0])
        if changed is None:
            return values
        return put(values, self.at, changed.to(values.dtype)[:, None])


def joined_below(layer: NDArray[np.int64], n_layers: int) -> list[int]:
    """Return how many rows join below each layer, 0 to `n_layers`; layer: [rows], ascending."""
    return np.searchsorted(layer, np.arange(n_layers + 1)).tolist()  # type: ignore[no-any-return, unused-ignore]


def taken(whole: Tensor, at: Tensor) -> Tensor:
    """Return one token of each row of [rows, tokens, width], [rows, 1, width]."""
    if whole.shape[1] == 1:
        return whole
    return whole.gather(1, at[:, None, None].expand(-1, 1, whole.shape[2]))


def put(whole: Tensor, at: Tensor, token: Tensor) -> Tensor:
    """Return [rows, tokens, width] with one token of each row, [rows, 1, width], in place of the one at `at`."""
    if whole.shape[1] == 1:
        return token
    return whole.scatter(1, at[:, None, None].expand_as(token), token)
